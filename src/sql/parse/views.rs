//! The options of views.

use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{CheckOption, SaidOfView, ViewOptions};
use crate::error::{Error, Result, code};

impl Reader<'_> {
    /// `(security_invoker [= value], ..)` of CREATE VIEW. Errors: as [`Reader::said_of_view`].
    pub(super) fn view_options(&mut self) -> Result<ViewOptions> {
        self.said_of_view(false).map(|said| ViewOptions::default().with(said))
    }

    /// `WITH [LOCAL | CASCADED] CHECK OPTION` behind a view's query.
    pub(super) fn check_option(&mut self) -> Result<Option<CheckOption>> {
        let check = match () {
            () if self.eat_words(&["with", "local", "check", "option"]) => CheckOption::Local,
            () if self.eat_words(&["with", "cascaded", "check", "option"]) => CheckOption::Cascaded,
            () if self.eat_words(&["with", "check", "option"]) => CheckOption::Cascaded,
            () => return Ok(None),
        };
        Ok(Some(check))
    }

    /// The same behind SET, or the names alone behind RESET. Errors: 22023 for an option that there is not, and for a value that is no boolean;
    /// 0A000.
    pub(super) fn said_of_view(&mut self, resets: bool) -> Result<SaidOfView> {
        if !self.parser.consume_token(&Token::LParen) {
            return Err(self.unexpected());
        }
        let mut said = SaidOfView::default();
        loop {
            let name = self.name()?;
            let value = match () {
                () if resets => Some("false".to_string()),
                () if self.parser.consume_token(&Token::Eq) => self.copy_value()?,
                () => None,
            };
            let on = || match value.as_deref().unwrap_or("true").to_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => Ok(true),
                "false" | "off" | "no" | "0" => Ok(false),
                other => {
                    let message = format!("invalid value for boolean option \"{name}\": {other}");
                    Err(Error::new(code::INVALID_PARAMETER_VALUE, message))
                }
            };
            match name.as_str() {
                "security_invoker" => said.invoker = Some(on()?),
                "security_barrier" => said.barrier = Some(on()?),
                "check_option" if resets => said.check = Some(None),
                "check_option" => {
                    said.check = match value.as_deref().unwrap_or_default().to_lowercase().as_str() {
                        "local" => Some(Some(CheckOption::Local)),
                        "cascaded" => Some(Some(CheckOption::Cascaded)),
                        other => {
                            let message = format!("invalid value for enum option \"check_option\": {other}");
                            return Err(
                                Error::new(code::INVALID_PARAMETER_VALUE, message).detail("Valid values are \"local\" and \"cascaded\".")
                            );
                        }
                    }
                }
                other => return Err(Error::new(code::INVALID_PARAMETER_VALUE, format!("unrecognized parameter \"{other}\""))),
            }
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.close()?;
        Ok(said)
    }
}
