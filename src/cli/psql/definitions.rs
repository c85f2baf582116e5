//! `\sf` and `\sv`: the statement that makes a function or a view what it is.

use super::variables::quoted_literal;

/// A command that shows a definition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    of_view: bool,
    /// `+`: with numbers before the lines.
    numbered: bool,
}

impl Definition {
    /// What a command shows, if it is one of these.
    pub fn of(command: &str) -> Option<Definition> {
        let (name, numbered) = command.strip_suffix('+').map_or((command, false), |name| (name, true));
        matches!(name, "sf" | "sv").then(|| Definition { of_view: name == "sv", numbered })
    }

    /// What is said if the command does not name anything.
    pub fn nameless(&self) -> String {
        format!("{} name is required", if self.of_view { "view" } else { "function" })
    }

    /// Asks for a row: the definition, or else why there is none.
    pub fn question(&self, name: &str) -> String {
        let literal = quoted_literal(name);
        if self.of_view {
            return of_view(&literal);
        }
        // With arguments it is one of several functions.
        let by = if name.contains('(') { "regprocedure" } else { "regproc" };
        format!("SELECT pg_catalog.pg_get_functiondef({literal}::pg_catalog.{by}), NULL")
    }

    /// A definition as it is shown.
    pub fn shown(&self, definition: &str) -> String {
        let mut number = 0;
        let lines = definition.strip_suffix('\n').unwrap_or(definition).split('\n').map(|line| match self.numbered {
            false => format!("{line}\n"),
            true => {
                // Errors of a function count the lines of its body.
                let counts = self.of_view || number > 0 || ["AS ", "BEGIN ", "RETURN "].iter().any(|word| line.starts_with(word));
                number += usize::from(counts);
                if counts { format!("{number:<7} {line}\n") } else { format!("        {line}\n") }
            }
        });
        lines.collect()
    }
}

fn of_view(literal: &str) -> String {
    let option = |name: &str, value: &str| {
        format!(
            "{name} || '=' || CASE WHEN pg_catalog.quote_ident({value}) = {value} THEN {value} ELSE pg_catalog.quote_literal({value}) END"
        )
    };
    let options = format!(
        "pg_catalog.array_to_string(ARRAY(SELECT {} FROM pg_catalog.pg_options_to_table(c.reloptions) o \
         WHERE o.option_name <> 'check_option'), ', ')",
        option("pg_catalog.quote_ident(o.option_name)", "o.option_value")
    );
    format!(
        "SELECT CASE WHEN c.relkind = 'v' THEN 'CREATE OR REPLACE VIEW ' || pg_catalog.quote_ident(n.nspname) || '.' || \
         pg_catalog.quote_ident(c.relname) || coalesce(E'\\n WITH (' || nullif({options}, '') || ')', '') || E' AS\\n' || \
         pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid, true), ';') || \
         coalesce((SELECT E'\\n WITH ' || pg_catalog.upper(o.option_value) || ' CHECK OPTION' \
         FROM pg_catalog.pg_options_to_table(c.reloptions) o WHERE o.option_name = 'check_option'), '') END, \
         '\"' || n.nspname || '.' || c.relname || '\" is not a view' \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {literal}::pg_catalog.regclass"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_as_psql_numbers_them() {
        let function = "CREATE OR REPLACE FUNCTION f()\n LANGUAGE sql\nAS $$\nBEGIN \n$$\n";
        let shown = |command: &str, text: &str| Definition::of(command).map(|definition| definition.shown(text));
        assert_eq!(shown("sf", function).as_deref(), Some(function));
        let numbered = "        CREATE OR REPLACE FUNCTION f()\n         LANGUAGE sql\n1       AS $$\n2       BEGIN \n3       $$\n";
        assert_eq!(shown("sf+", function).as_deref(), Some(numbered));
        assert_eq!(shown("sv", "CREATE OR REPLACE VIEW v AS\n SELECT 1").as_deref(), Some("CREATE OR REPLACE VIEW v AS\n SELECT 1\n"));
        assert_eq!(shown("sv+", "a\nb").as_deref(), Some("1       a\n2       b\n"));
        assert_eq!(Definition::of("sfx"), None);
    }
}
