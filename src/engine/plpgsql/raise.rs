//! RAISE, ASSERT, and GET DIAGNOSTICS.

use super::run::Run;
use crate::error::{Error, Result, code};
use crate::sql::plpgsql::{Expression, Raise};

impl Run<'_> {
    /// RAISE: an error, or a notice. Errors: the one it raises; 0Z002 where there is none to raise again.
    pub(super) async fn raise(&mut self, raise: &Raise) -> Result<()> {
        if raise.format.is_none() && raise.condition.is_none() && raise.options.is_empty() {
            return Err(match self.handled.last() {
                Some(error) => error.clone(),
                None => Error::new(code::own("0Z002"), "RAISE without parameters cannot be used outside an exception handler"),
            });
        }
        let is_error = raise.level == "EXCEPTION";
        let state = match (&raise.condition, raise.level) {
            (Some((state, _)), _) => code::own(state),
            (None, "EXCEPTION") => code::RAISE_EXCEPTION,
            (None, "WARNING") => code::WARNING,
            _ => code::SUCCESS,
        };
        let mut error = Error::new(state, raise.condition.as_ref().map_or(state.to_string(), |(_, name)| name.clone()));
        if let Some((format, arguments)) = &raise.format {
            error.fields_mut().message = self.formatted(format, arguments).await?;
        }
        for (i, (option, value)) in raise.options.iter().enumerate() {
            let again = raise.options[..i].iter().any(|(before, _)| before == option);
            let told = match option.as_str() {
                "message" => raise.format.is_some(),
                "errcode" => raise.condition.is_some(),
                _ => false,
            };
            if again || told {
                return Err(Error::syntax(format!("RAISE option already specified: {}", option.to_uppercase())));
            }
            let null = || Error::new(code::NULL_VALUE_NOT_ALLOWED, "RAISE statement option cannot be null");
            let text = self.shown(value).await?.ok_or_else(null)?;
            let fields = error.fields_mut();
            match option.as_str() {
                "message" => fields.message = text,
                "detail" => fields.detail = Some(text),
                "hint" => fields.hint = Some(text),
                "errcode" => fields.code = code::own(&state_of(&text)?),
                "column" => fields.about.column = Some(text),
                "constraint" => fields.about.constraint = Some(text),
                "table" => fields.about.table = Some(text),
                "schema" => fields.about.schema = Some(text),
                // PostgreSQL's field for a type's name: of ours no error names one.
                _ => {}
            }
        }
        if is_error {
            return Err(error);
        }
        self.session.notice(raise.level, error);
        Ok(())
    }

    /// The text of an expression's value, as the session shows it.
    async fn shown(&mut self, expression: &Expression) -> Result<Option<String>> {
        let cell = self.value(expression).await?;
        self.presented(&cell)
    }

    /// The format with the values of expressions in the places of `%`.
    async fn formatted(&mut self, format: &str, arguments: &[Expression]) -> Result<String> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.shown(argument).await?.unwrap_or_else(|| "<NULL>".into()));
        }
        let (mut shown, mut values, mut rest) = (String::new(), values.into_iter(), format);
        while let Some((before, after)) = rest.split_once('%') {
            shown.push_str(before);
            rest = match after.strip_prefix('%') {
                Some(after) => {
                    shown.push('%');
                    after
                }
                None => {
                    shown.push_str(&values.next().unwrap_or_default());
                    after
                }
            };
        }
        Ok(shown + rest)
    }

    /// ASSERT. Errors: P0004 unless the condition is true.
    pub(super) async fn assert(&mut self, condition: &Expression, message: Option<&Expression>) -> Result<()> {
        if self.is_true(condition).await? {
            return Ok(());
        }
        let text = match message {
            Some(message) => self.shown(message).await?,
            None => None,
        };
        Err(Error::new(code::ASSERT_FAILURE, text.unwrap_or_else(|| "assertion failed".into())))
    }

    /// An item of GET DIAGNOSTICS.
    pub(super) fn diagnostic(&self, stacked: bool, item: &str) -> Result<String> {
        if !stacked {
            return Ok(self.row_count.to_string());
        }
        let Some(error) = self.handled.last() else {
            return Err(Error::new(code::own("0Z002"), "GET STACKED DIAGNOSTICS cannot be used outside an exception handler"));
        };
        let (fields, about) = (error.fields(), &error.fields().about);
        let text = match item {
            "returned_sqlstate" => Some(fields.code.to_string()),
            "message_text" => Some(fields.message.clone()),
            "pg_exception_detail" => fields.detail.clone(),
            "pg_exception_hint" => fields.hint.clone(),
            "pg_exception_context" => fields.context.clone(),
            "column_name" => about.column.clone(),
            "constraint_name" => about.constraint.clone(),
            "table_name" => about.table.clone(),
            "schema_name" => about.schema.clone(),
            _ => None,
        };
        Ok(text.unwrap_or_default())
    }
}

/// The SQLSTATE that ERRCODE of RAISE names, by itself or by a condition.
fn state_of(text: &str) -> Result<String> {
    if text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
        return Ok(text.to_string());
    }
    crate::sql::plpgsql::of_condition(&text.to_lowercase())
}
