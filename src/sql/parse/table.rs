//! CREATE TABLE and CREATE STREAM: columns, constraints, sequences.

use sqlparser::ast::{self, ColumnOption, Expr, GeneratedAs, GeneratedExpressionMode, TableConstraint};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::Reader;
use crate::catalog::{Action, Column, Identity, Name, RelationKind};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::sql::convert::{check_columns, checked_name, is_known_collation, known_type, last_name, relation_name, sql_type};
use crate::sql::statement::{
    Alteration, Like, NamedType, NewRelation, NewRule, NewTable, SequenceChange, SequenceOptions, SqlType, Statement, Taken, What,
};
use crate::sql::{fold_name, identity};

/// A column as a definition asks for it.
pub(super) struct Defined {
    pub column: Column,
    /// The user's type that it has.
    pub named: Option<NamedType>,
    pub key: bool,
    /// What the primary key is to be called.
    pub key_named: Option<String>,
    pub rules: Vec<NewRule>,
    pub numbered: Option<SequenceOptions>,
}

/// What stands in the list of columns.
#[derive(Default)]
struct Elements {
    definitions: Vec<ast::ColumnDef>,
    constraints: Vec<TableConstraint>,
    likes: Vec<Like>,
}

impl Reader<'_> {
    pub(super) fn create_relation(&mut self, mut kind: RelationKind) -> Result<Statement> {
        self.skip(2);
        let if_not_exists = self.eat_words(&["if", "not", "exists"]);
        let name = self.relation_name()?;
        if kind == RelationKind::Table && self.word(0) == "partition" {
            self.skip(1);
            return self.partition_of(name, if_not_exists);
        }
        if kind == RelationKind::Table && self.query_follows() {
            return self.create_table_as(NewTable { name, if_not_exists, temporary: None, told: vec![] });
        }
        if matches!(self.word(0).as_str(), "as" | "with") {
            return Err(Error::unsupported(format!(
                "CREATE {} .. {} is not supported",
                kind.word().to_uppercase(),
                self.word(0).to_uppercase()
            ))
            .hint("Write CREATE MATERIALIZED VIEW name AS query for a query that is kept up to date."));
        }
        let Elements { definitions, constraints, likes } = self.elements()?;
        let partitioning = if kind == RelationKind::Table { self.partitioning()? } else { None };
        let method = self.access_method()?;
        let by_default = method.is_none() && kind == RelationKind::Table;
        kind = method.unwrap_or(kind);
        let told = self.storage_parameters()?;
        self.tablespace()?;
        if !self.ended() && !self.on_commit_follows() {
            let clause = self.rest();
            return Err(Error::unsupported(format!("clause not supported: {clause}")).hint("End the statement after the list of columns."));
        }
        let (mut columns, mut key, mut rules, mut numbered, mut named) = (vec![], vec![], vec![], vec![], vec![]);
        let mut key_named = None;
        for definition in &definitions {
            let defined = defined(definition, &name.name)?;
            if defined.key {
                key.push(columns.len());
                key_named = defined.key_named;
            }
            named.extend(defined.named.map(|ty| (columns.len(), ty)));
            numbered.extend(defined.numbered.map(|options| (columns.len(), options)));
            rules.extend(defined.rules);
            columns.push(defined.column);
        }
        if key.len() > 1 {
            return Err(several_keys(&name.name).hint("Write PRIMARY KEY (a, b) behind the columns for a key of several columns."));
        }
        for constraint in &constraints {
            match rule(constraint)? {
                // Its columns may be of another relation.
                of_any if !likes.is_empty() => rules.push(of_any),
                NewRule { what: What::PrimaryKey(_), .. } if !key.is_empty() => return Err(several_keys(&name.name)),
                NewRule { what: What::PrimaryKey(names), name } => (key, key_named) = (key_columns(&columns, &names)?, name),
                other => rules.push(other),
            }
        }
        if !likes.is_empty() && !key.is_empty() {
            let names = key.drain(..).map(|k| columns[k].name.clone()).collect();
            rules.push(NewRule { name: key_named.take(), what: What::PrimaryKey(names) });
        }
        for k in &key {
            columns[*k].nullable = false;
        }
        if kind == RelationKind::Stream && likes.is_empty() {
            refuse_rules_of_stream(&key, &rules)?;
        }
        check_columns(&columns)?;
        let new = NewRelation {
            kind,
            by_default,
            name,
            columns,
            key,
            key_named,
            rules,
            numbered,
            likes,
            named,
            if_not_exists,
            told,
            temporary: None,
            partitioning,
        };
        Ok(Statement::CreateRelation(Box::new(new)))
    }

    /// The list of columns, constraints and LIKE, if there is one.
    fn elements(&mut self) -> Result<Elements> {
        let mut elements = Elements::default();
        if !self.parser.consume_token(&Token::LParen) || self.parser.consume_token(&Token::RParen) {
            return Ok(elements);
        }
        loop {
            self.refuse_exclusion(0)?;
            if self.word(0) == "like" {
                let like = self.like(elements.definitions.len())?;
                elements.likes.push(like);
            } else if let Some(constraint) = self.parser.parse_optional_table_constraint().map_err(|e| self.refused(e))? {
                elements.constraints.push(constraint);
            } else if matches!(self.parser.peek_token_ref().token, Token::Word(_)) {
                elements.definitions.push(self.parser.parse_column_def().map_err(|e| self.refused(e))?);
            } else {
                return Err(self.unexpected());
            }
            if !self.parser.consume_token(&Token::Comma) {
                self.close()?;
                return Ok(elements);
            }
        }
    }

    /// Errors: 0A000 for `[CONSTRAINT name] EXCLUDE ..` at the nth token from here.
    pub(super) fn refuse_exclusion(&self, n: usize) -> Result<()> {
        let n = if self.word(n) == "constraint" { n + 2 } else { n };
        let opens = self.word(n + 1) == "using" || self.parser.peek_nth_token_ref(n + 1).token == Token::LParen;
        if self.word(n) != "exclude" || !opens {
            return Ok(());
        }
        Err(Error::unsupported("EXCLUDE constraints are not supported")
            .hint("Take UNIQUE for rows that may not be equal, and a trigger for others."))
    }

    /// `LIKE relation [{INCLUDING | EXCLUDING} what ..]`, where so many columns stand before it.
    fn like(&mut self, at: usize) -> Result<Like> {
        self.skip(1);
        let relation = self.relation_name()?;
        let mut taken = Taken::default();
        while matches!(self.word(0).as_str(), "including" | "excluding") {
            let takes = self.word(0) == "including";
            self.skip(1);
            if !taken.set(&self.word(0), takes) {
                return Err(self.unexpected());
            }
            self.skip(1);
        }
        Ok(Like { relation, at, taken })
    }

    /// USING method, as which streams and tables are told apart by those who know PostgreSQL's statements only. Errors: 42704.
    pub(super) fn access_method(&mut self) -> Result<Option<RelationKind>> {
        if !self.eat("using") {
            return Ok(None);
        }
        let name = self.name()?;
        let kind = RelationKind::of_access_method(&name);
        kind.map(Some).ok_or_else(|| Error::new(code::UNDEFINED_OBJECT, format!("access method \"{name}\" does not exist")))
    }

    /// TABLESPACE name, of which there is the default one. Errors: 42704 for another.
    pub(super) fn tablespace(&mut self) -> Result<()> {
        if !self.eat("tablespace") {
            return Ok(());
        }
        match self.name()?.as_str() {
            "pg_default" => Ok(()),
            other => Err(Error::new(code::UNDEFINED_OBJECT, format!("tablespace \"{other}\" does not exist"))
                .hint("All data is in the data directory of the server: leave TABLESPACE out.")),
        }
    }

    /// WITH (name [= value], ..): how PostgreSQL is to lay the rows out in its files. The notices that say so. Errors: 0A000 for what would
    /// change more than that.
    pub(super) fn storage_parameters(&mut self) -> Result<Vec<String>> {
        if self.word(0) != "with" || self.parser.peek_nth_token_ref(1).token != Token::LParen {
            return Ok(vec![]);
        }
        self.skip(2);
        self.parameters_of_storage("Leave the clause WITH out.")
    }

    /// The same behind the parenthesis that opens them.
    pub(super) fn parameters_of_storage(&mut self, hint: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        loop {
            let name = self.name()?;
            let laid_out = matches!(name.as_str(), "fillfactor" | "oids" | "parallel_workers" | "toast_tuple_target");
            let value = if self.parser.consume_token(&Token::Eq) { self.parser.next_token().to_string() } else { "true".into() };
            if !laid_out && !name.starts_with("autovacuum_") || name == "oids" && !value.eq_ignore_ascii_case("false") {
                return Err(Error::unsupported(format!("storage parameter \"{name}\" is not supported")).hint(hint));
            }
            // That there are none is true.
            if name != "oids" {
                names.push(format!("storage parameter \"{name}\" has no effect"));
            }
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.close()?;
        Ok(names)
    }

    pub(super) fn create_sequence(&mut self) -> Result<Statement> {
        self.skip(2);
        let if_not_exists = self.eat_words(&["if", "not", "exists"]);
        let name = self.relation_name()?;
        Ok(Statement::CreateSequence { name, options: self.named_sequence_options()?, if_not_exists })
    }

    pub(super) fn alter_sequence(&mut self) -> Result<Statement> {
        self.skip(2);
        let if_exists = self.eat_words(&["if", "exists"]);
        let name = self.relation_name()?;
        let change = match () {
            () if self.eat_words(&["rename", "to"]) => SequenceChange::Move(Box::new(Alteration::Rename(checked_name(self.name()?)?))),
            () if self.eat_words(&["set", "schema"]) => SequenceChange::Move(Box::new(Alteration::SetSchema(self.name()?))),
            () => SequenceChange::Options(Box::new(self.named_sequence_options()?)),
        };
        Ok(Statement::AlterSequence { name, if_exists, change })
    }

    /// The options of a sequence that has its name already.
    fn named_sequence_options(&mut self) -> Result<SequenceOptions> {
        match self.sequence_options()? {
            SequenceOptions { name: Some(_), .. } => Err(Error::syntax("invalid sequence option SEQUENCE NAME")),
            options => Ok(options),
        }
    }

    /// The options of a sequence, in any order, up to the end of the statement or a closing parenthesis.
    pub(super) fn sequence_options(&mut self) -> Result<SequenceOptions> {
        let mut options = SequenceOptions::default();
        while !self.ended() && self.parser.peek_token_ref().token != Token::RParen {
            self.sequence_option(&mut options)?;
        }
        Ok(options)
    }

    /// One of them.
    pub(super) fn sequence_option(&mut self, options: &mut SequenceOptions) -> Result<()> {
        let word = self.word(0);
        self.skip(1);
        match word.as_str() {
            "as" => options.ty = Some(known_type(&self.parser.parse_data_type().map_err(|e| self.refused(e))?)?),
            "increment" => {
                self.eat("by");
                options.increment = Some(self.whole()?);
            }
            "start" => {
                self.eat("with");
                options.start = Some(self.whole()?);
            }
            "restart" => {
                let with = self.eat("with")
                    || !matches!(self.parser.peek_token_ref().token, Token::EOF | Token::SemiColon | Token::Comma | Token::Word(_));
                options.restart = Some(if with { Some(self.whole()?) } else { None });
            }
            "minvalue" => options.min = Some(self.whole()?),
            "maxvalue" => options.max = Some(self.whole()?),
            "cycle" => options.cycle = Some(true),
            // Numbers are given out a few at a time anyway.
            "cache" => drop(self.whole()?),
            "no" if self.eat("cycle") => options.cycle = Some(false),
            "no" if self.eat("minvalue") || self.eat("maxvalue") => {}
            "sequence" if self.eat("name") => options.name = Some(self.relation_name()?),
            "owned" if self.eat("by") => {
                let name = self.parser.parse_object_name(false).map_err(|e| self.refused(e))?;
                let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(fold_name).collect();
                options.owner = Some(match parts.as_slice() {
                    [none] if none == "none" => None,
                    [table, column] => Some((Name::bare(table), column.clone())),
                    [.., schema, table, column] => Some((Name::qualified(schema, table), column.clone())),
                    _ => return Err(Error::syntax("OWNED BY takes table.column or NONE")),
                });
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    /// A whole number with an optional sign.
    fn whole(&mut self) -> Result<i64> {
        let sign = if self.parser.consume_token(&Token::Minus) { "-" } else { "" };
        match self.parser.peek_token().token {
            Token::Number(digits, _) => {
                let number = format!("{sign}{digits}").parse().map_err(|_| self.unexpected())?;
                self.skip(1);
                Ok(number)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// DROP SEQUENCE and DROP INDEX.
    pub(super) fn drop_named(&mut self) -> Result<Statement> {
        self.skip(1);
        let sequence = self.eat("sequence");
        if !sequence {
            self.expect("index")?;
            self.eat("concurrently");
        }
        let if_exists = self.eat_words(&["if", "exists"]);
        let names = self.listed(|r| r.relation_name())?;
        let cascade = self.cascade();
        Ok(if sequence {
            Statement::DropSequence { names, if_exists, cascade }
        } else {
            Statement::DropIndex { names, if_exists, cascade }
        })
    }
}

fn both_specified(column: &str, table: &str) -> Error {
    Error::syntax(format!("both default and identity specified for column \"{column}\" of table \"{table}\""))
}

/// The column that a definition asks for, of the table of that name. Errors: 0A000 for what columns do not have, 42601.
pub(super) fn defined(definition: &ast::ColumnDef, table: &str) -> Result<Defined> {
    let name = checked_name(fold_name(&definition.name))?;
    let (plain, precision) = without_precision(&definition.data_type);
    let (ty, mut numbered) = column_type(&plain)?;
    let (ty, named) = match ty {
        SqlType::Known(ty) => (ty, None),
        SqlType::Named(named) => (PgType::Text, Some(named)),
    };
    let serial = numbered.is_some();
    let mut column = Column { precision, nullable: !serial, ..Column::new(name.clone(), ty) };
    let (mut key, mut key_named, mut rules) = (false, None, Vec::new());
    for option in &definition.options {
        let rule_name = || option.name.as_ref().map(fold_name);
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => column.nullable = false,
            ColumnOption::PrimaryKey(asked) => {
                refuse_deferrable("PRIMARY KEY", asked.characteristics.as_ref())?;
                (key, key_named) = (true, rule_name());
            }
            ColumnOption::Default(_) if column.identity.is_some() => return Err(both_specified(&name, table)),
            ColumnOption::Default(expr) => column.default = Some(unnested(expr).to_string()),
            ColumnOption::Unique(asked) => {
                refuse_deferrable("UNIQUE", asked.characteristics.as_ref())?;
                rules.push(NewRule { name: rule_name(), what: What::Unique(vec![name.clone()]) });
            }
            ColumnOption::Check(check) => {
                let what = What::Check { sql: check.expr.to_string() };
                rules.push(NewRule { name: rule_name(), what });
            }
            ColumnOption::ForeignKey(foreign) => {
                rules.push(NewRule { name: rule_name(), what: references(foreign, vec![name.clone()])? });
            }
            ColumnOption::Generated { generation_expr: None, .. } if column.identity.is_some() => {
                return Err(Error::syntax(format!("multiple identity specifications for column \"{name}\" of table \"{table}\"")));
            }
            ColumnOption::Generated { generation_expr: None, .. } if column.default.is_some() || numbered.is_some() => {
                return Err(both_specified(&name, table));
            }
            ColumnOption::Generated { generated_as, sequence_options, generation_expr: None, .. } => {
                column.identity = Some(match generated_as {
                    GeneratedAs::Always => Identity::Always,
                    _ => Identity::ByDefault,
                });
                column.nullable = false;
                numbered = Some(identity_options(&column.ty, sequence_options.as_deref().unwrap_or_default())?);
            }
            ColumnOption::Generated { generation_expr: Some(_), .. } if column.generated.is_some() => {
                return Err(Error::syntax(format!("multiple generation clauses specified for column \"{name}\" of table \"{table}\"")));
            }
            ColumnOption::Generated {
                generation_expr: Some(expr), generation_expr_mode: Some(GeneratedExpressionMode::Stored), ..
            } => {
                column.generated = Some(expr.to_string());
            }
            ColumnOption::Comment(text) if let (Some(options), Some(name)) = (&mut numbered, text.strip_prefix(identity::NAMED)) => {
                let parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(name);
                let name = parser.and_then(|mut parser| parser.parse_object_name(false)).map_err(|e| Error::syntax(e.to_string()))?;
                options.name = Some(relation_name(&name)?);
            }
            ColumnOption::Collation(collation) if last_name(collation).is_ok_and(|name| is_known_collation(&name)) => {}
            other => {
                return Err(Error::unsupported(format!("column constraint not supported: {other}")).hint(
                    "Columns take NOT NULL, DEFAULT, GENERATED .. AS IDENTITY, GENERATED ALWAYS AS (expression) STORED, and in tables \
                     PRIMARY KEY, UNIQUE, CHECK and REFERENCES.",
                ));
            }
        }
    }
    if column.generated.is_some() {
        let other = if column.identity.is_some() { Some("identity") } else { (serial || column.default.is_some()).then_some("default") };
        if let Some(other) = other {
            let message = format!("both {other} and generation expression specified for column \"{name}\" of table \"{table}\"");
            return Err(Error::syntax(message));
        }
    }
    Ok(Defined { column, named, key, key_named, rules, numbered })
}

/// The type of a column without the decimals of a second that are given to it, and these: at most six are kept.
pub(super) fn without_precision(ty: &ast::DataType) -> (ast::DataType, Option<u8>) {
    let (plain, precision) = match ty {
        ast::DataType::Timestamp(precision, zone) => (ast::DataType::Timestamp(None, *zone), precision),
        ast::DataType::Time(precision, zone) => (ast::DataType::Time(None, *zone), precision),
        other => return (other.clone(), None),
    };
    (plain, precision.map(|decimals| decimals.min(6) as u8))
}

/// The type of a column, and for the serial ones that it is numbered.
fn column_type(name: &ast::DataType) -> Result<(SqlType, Option<SequenceOptions>)> {
    let ty = match name.to_string().to_lowercase().as_str() {
        "serial" | "serial4" => PgType::Int4,
        "bigserial" | "serial8" => PgType::Int8,
        "smallserial" | "serial2" => PgType::Int2,
        _ => return Ok((sql_type(name)?, None)),
    };
    Ok((SqlType::Known(ty.clone()), Some(SequenceOptions { ty: Some(ty), ..SequenceOptions::default() })))
}

pub(super) fn identity_options(ty: &PgType, given: &[ast::SequenceOptions]) -> Result<SequenceOptions> {
    if !matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8) {
        return Err(Error::new(code::INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint"));
    }
    let number = |expr: &Expr| match crate::sql::convert::literal(expr) {
        Some(Some(text)) => text.parse::<i64>().map_err(|_| Error::syntax(format!("not a whole number: {text}"))),
        _ => Err(Error::syntax("an option of a sequence takes a whole number")),
    };
    let mut options = SequenceOptions { ty: Some(ty.clone()), ..SequenceOptions::default() };
    for option in given {
        match option {
            ast::SequenceOptions::IncrementBy(expr, _) => options.increment = Some(number(expr)?),
            ast::SequenceOptions::StartWith(expr, _) => options.start = Some(number(expr)?),
            ast::SequenceOptions::MinValue(Some(expr)) => options.min = Some(number(expr)?),
            ast::SequenceOptions::MaxValue(Some(expr)) => options.max = Some(number(expr)?),
            // sqlparser says true for NO CYCLE.
            ast::SequenceOptions::Cycle(no) => options.cycle = Some(!*no),
            ast::SequenceOptions::MinValue(None) | ast::SequenceOptions::MaxValue(None) | ast::SequenceOptions::Cache(_) => {}
        }
    }
    Ok(options)
}

/// The rule that a constraint of a table asks for.
pub(super) fn rule(constraint: &TableConstraint) -> Result<NewRule> {
    let name = |name: &Option<ast::Ident>| name.as_ref().map(fold_name);
    Ok(match constraint {
        TableConstraint::PrimaryKey(key) => {
            refuse_deferrable("PRIMARY KEY", key.characteristics.as_ref())?;
            NewRule { name: name(&key.name), what: What::PrimaryKey(columns_of(&key.columns, "a primary key")?) }
        }
        TableConstraint::Unique(unique) => {
            if unique.nulls_distinct == ast::NullsDistinctOption::NotDistinct {
                return Err(Error::unsupported("UNIQUE NULLS NOT DISTINCT is not supported as a constraint")
                    .hint("Write CREATE UNIQUE INDEX ON table (columns) NULLS NOT DISTINCT."));
            }
            refuse_deferrable("UNIQUE", unique.characteristics.as_ref())?;
            let what = What::Unique(columns_of(&unique.columns, "a unique constraint")?);
            NewRule { name: name(&unique.name), what }
        }
        TableConstraint::Check(check) => NewRule { name: name(&check.name), what: What::Check { sql: check.expr.to_string() } },
        TableConstraint::ForeignKey(foreign) => {
            let columns = foreign.columns.iter().map(fold_name).collect();
            NewRule { name: name(&foreign.name), what: references(foreign, columns)? }
        }
        TableConstraint::PrimaryKeyUsingIndex(_) => {
            return Err(
                Error::unsupported("PRIMARY KEY USING INDEX is not supported").hint("Write ADD PRIMARY KEY (columns), then DROP INDEX.")
            );
        }
        TableConstraint::UniqueUsingIndex(using) => {
            refuse_deferrable("UNIQUE", using.characteristics.as_ref())?;
            NewRule { name: name(&using.name), what: What::UniqueUsingIndex(fold_name(&using.index_name)) }
        }
        other => {
            return Err(Error::unsupported(format!("constraint not supported: {other}"))
                .hint("Tables take PRIMARY KEY, UNIQUE, CHECK and FOREIGN KEY."));
        }
    })
}

/// Errors: 0A000 for a key that is to be compared with others later than at the end of a statement.
fn refuse_deferrable(what: &str, traits: Option<&ast::ConstraintCharacteristics>) -> Result<()> {
    let waits =
        |c: &&ast::ConstraintCharacteristics| c.deferrable == Some(true) || matches!(c.initially, Some(ast::DeferrableInitial::Deferred));
    match traits.filter(waits) {
        Some(traits) => Err(Error::unsupported(format!("{what} .. {traits} is not supported"))
            .hint("Leave it out: keys are compared when a statement has changed all its rows.")),
        None => Ok(()),
    }
}

fn columns_of(columns: &[ast::IndexColumn], what: &str) -> Result<Vec<String>> {
    let name = |c: &ast::IndexColumn| match &c.column.expr {
        Expr::Identifier(ident) => Ok(fold_name(ident)),
        _ => Err(Error::unsupported(format!("{what} consists of columns")).hint("Name columns only.")),
    };
    columns.iter().map(name).collect()
}

fn references(foreign: &ast::ForeignKeyConstraint, columns: Vec<String>) -> Result<What> {
    if let Some(kind @ (ast::ConstraintReferenceMatchKind::Full | ast::ConstraintReferenceMatchKind::Partial)) = &foreign.match_kind {
        return Err(Error::unsupported(format!("{kind} is not supported")).hint("Leave it out: MATCH SIMPLE is the default."));
    }
    let action = |action: &Option<ast::ReferentialAction>| match action {
        None | Some(ast::ReferentialAction::NoAction) => Action::NoAction,
        Some(ast::ReferentialAction::Restrict) => Action::Restrict,
        Some(ast::ReferentialAction::Cascade) => Action::Cascade,
        Some(ast::ReferentialAction::SetNull) => Action::SetNull,
        Some(ast::ReferentialAction::SetDefault) => Action::SetDefault,
    };
    let traits = foreign.characteristics.as_ref();
    let deferred = traits.is_some_and(|c| matches!(c.initially, Some(ast::DeferrableInitial::Deferred)));
    Ok(What::References {
        columns,
        parent: relation_name(&foreign.foreign_table)?,
        parent_columns: foreign.referred_columns.iter().map(fold_name).collect(),
        on_delete: action(&foreign.on_delete),
        on_update: action(&foreign.on_update),
        deferrable: deferred || traits.is_some_and(|c| c.deferrable == Some(true)),
        deferred,
    })
}

/// True if what ends before that character is a foreign key with `ON DELETE SET NULL` or `SET DEFAULT`.
pub(super) fn is_action_before(sql: &str, at: usize) -> bool {
    let before: String = sql.chars().take(at.saturating_sub(1)).collect();
    let words: Vec<String> = before.split_whitespace().rev().take(4).map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().rev().map(String::as_str).collect();
    matches!(words.as_slice(), ["on", "delete", "set", "null" | "default"])
}

/// The error of a table that has two primary keys.
pub fn several_keys(table: &str) -> Error {
    Error::new(code::INVALID_TABLE_DEFINITION, format!("multiple primary keys for table \"{table}\" are not allowed"))
}

/// A call or a constant without the parentheses around it, in which migrations write defaults: `DEFAULT (gen_random_uuid())`.
pub(super) fn unnested(expr: &ast::Expr) -> &ast::Expr {
    match expr {
        ast::Expr::Nested(inner) if matches!(inner.as_ref(), ast::Expr::Function(_) | ast::Expr::Value(_) | ast::Expr::Nested(_)) => {
            unnested(inner)
        }
        other => other,
    }
}

/// The places of the columns that a primary key names. Errors: 42703.
pub fn key_columns(columns: &[Column], names: &[String]) -> Result<Vec<usize>> {
    let missing = |name: &String| Error::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" named in key does not exist"));
    names.iter().map(|name| columns.iter().position(|c| c.name == *name).ok_or_else(|| missing(name))).collect()
}

/// Errors: 0A000 for what a table may have and a stream may not.
pub fn refuse_rules_of_stream(key: &[usize], rules: &[NewRule]) -> Result<()> {
    if !key.is_empty() {
        return Err(Error::unsupported("a stream has no primary key: every event is kept")
            .hint("Write CREATE TABLE for rows of which the last one per key counts."));
    }
    let compares = |rule: &&NewRule| !matches!(rule.what, What::Check { .. });
    match rules.iter().find(compares) {
        Some(_) => Err(Error::unsupported("a stream takes CHECK constraints only: its events are not compared with others")
            .hint("Write CREATE TABLE for UNIQUE and REFERENCES.")),
        None => Ok(()),
    }
}
