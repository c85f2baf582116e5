//! ALTER TABLE, STREAM, VIEW and MATERIALIZED VIEW.

use sqlparser::ast::{self, AlterColumnOperation, AlterTableOperation, GeneratedAs, RenameTableNameKind};
use sqlparser::tokenizer::Token;

use super::Reader;
use super::table::{Defined, defined, identity_options, rule, unnested, without_precision};
use crate::catalog::{Identity, RelationKind};
use crate::data::PgType;
use crate::error::{Error, Result};
use crate::sql::convert::{checked_name, last_name, sql_type};
use crate::sql::fold_name;
use crate::sql::statement::{Alteration, SecurityChange, Statement};

impl Reader<'_> {
    pub(super) fn alter(&mut self) -> Result<Statement> {
        self.skip(1);
        let kind = match self.word(0).as_str() {
            "table" => RelationKind::Table,
            "stream" => RelationKind::Stream,
            "view" => RelationKind::View,
            _ => {
                self.skip(1);
                RelationKind::MaterializedView
            }
        };
        self.skip(1);
        let if_exists = self.eat_words(&["if", "exists"]);
        self.eat("only");
        let name = self.relation_name()?;
        let mut changes = vec![self.alteration(kind, &name.name)?];
        while self.parser.consume_token(&Token::Comma) {
            changes.push(self.alteration(kind, &name.name)?);
        }
        Ok(Statement::Alter { kind, name, if_exists, changes })
    }

    /// One change of a relation of that name.
    fn alteration(&mut self, kind: RelationKind, name: &str) -> Result<Alteration> {
        if self.ended() {
            return Err(self.unexpected());
        }
        if kind == RelationKind::MaterializedView && self.eat("resume") {
            return Ok(Alteration::Resume { skip: self.eat("skip") });
        }
        if self.eat_words(&["set", "schema"]) {
            return Ok(Alteration::SetSchema(self.name()?));
        }
        if self.eat_words(&["rename", "to"]) {
            return Ok(Alteration::Rename(checked_name(self.name()?)?));
        }
        if matches!(kind, RelationKind::Table | RelationKind::Stream)
            && let Some(change) = self.switched_triggers()?
        {
            return Ok(change);
        }
        if kind == RelationKind::Table
            && let Some(change) = self.moved_partition()?
        {
            return Ok(change);
        }
        if kind == RelationKind::Table
            && matches!(self.word(0).as_str(), "set" | "reset")
            && self.parser.peek_nth_token_ref(1).token == Token::LParen
        {
            self.skip(2);
            return Ok(Alteration::Storage { column: None, told: self.parameters_of_storage("Leave the statement out.")? });
        }
        if kind == RelationKind::Table
            && let Some(change) = self.laid_out()?
        {
            return Ok(change);
        }
        if self.word(0) == "add" {
            self.refuse_exclusion(1)?;
        }
        if kind == RelationKind::View && matches!(self.word(0).as_str(), "set" | "reset") {
            let resets = self.word(0) == "reset";
            self.skip(1);
            return Ok(Alteration::OfView(self.said_of_view(resets)?));
        }
        let rest = self.rest();
        if let RelationKind::View | RelationKind::MaterializedView = kind {
            let hint = if kind == RelationKind::View {
                "RENAME TO gives it another name, SET SCHEMA another schema; CREATE OR REPLACE VIEW gives it another query."
            } else {
                "RESUME and RESUME SKIP mend a failed view, RENAME TO gives it another name; for another query CREATE OR REPLACE it."
            };
            return Err(Error::unsupported(format!("ALTER {} .. {rest} is not supported", kind.word().to_uppercase())).hint(hint));
        }
        if let Some(change) = self.alter_generated()? {
            return Ok(change);
        }
        let operation = self.parser.parse_alter_table_operation().map_err(|e| self.refused(e))?;
        alteration(operation, name)
    }

    /// How PostgreSQL is to lay rows out and to gather statistics, if that is what stands here: `CLUSTER ON index`, `SET WITHOUT CLUSTER`,
    /// and `ALTER [COLUMN] c SET STATISTICS n | STORAGE kind | COMPRESSION method`. No answer depends on it.
    fn laid_out(&mut self) -> Result<Option<Alteration>> {
        let told = |what: &str, column: Option<String>| Some(Alteration::Storage { column, told: vec![format!("{what} has no effect")] });
        if self.word(0) == "cluster" && self.word(1) == "on" {
            self.skip(2);
            self.name()?;
            return Ok(told("CLUSTER ON", None));
        }
        if self.eat_words(&["set", "without"]) {
            return match self.eat("cluster") || self.eat("oids") {
                true => Ok(Some(Alteration::Nothing)),
                false => Err(self.unexpected()),
            };
        }
        let at = if self.word(0) != "alter" { return Ok(None) } else { 1 + usize::from(self.word(1) == "column") };
        let what = self.word(at + 2);
        if self.word(at + 1) != "set" || !matches!(what.as_str(), "statistics" | "storage" | "compression") {
            return Ok(None);
        }
        self.skip(at);
        let column = self.name()?;
        self.skip(2);
        if what == "statistics" {
            let _ = self.parser.consume_token(&Token::Minus);
        }
        self.skip(1);
        Ok(told(&format!("SET {}", what.to_uppercase()), Some(column)))
    }

    /// ALTER COLUMN c ADD GENERATED .. AS IDENTITY [(options)], SET GENERATED .., SET option, RESTART, DROP IDENTITY, DROP EXPRESSION.
    fn alter_generated(&mut self) -> Result<Option<Alteration>> {
        let at = if self.word(0) != "alter" { return Ok(None) } else { 1 + usize::from(self.word(1) == "column") };
        let (verb, object) = (self.word(at + 1), self.word(at + 2));
        let alters = match verb.as_str() {
            "set" => matches!(object.as_str(), "generated" | "increment" | "start" | "minvalue" | "maxvalue" | "cycle" | "cache" | "no"),
            verb => verb == "restart",
        };
        if !alters && !matches!((verb.as_str(), object.as_str()), ("add", "generated") | ("drop", "identity" | "expression")) {
            return Ok(None);
        }
        self.skip(at);
        let column = self.name()?;
        if alters {
            return self.alter_identity(column).map(Some);
        }
        self.skip(2);
        if verb == "drop" {
            let if_exists = self.eat_words(&["if", "exists"]);
            return Ok(Some(match object.as_str() {
                "expression" => Alteration::DropExpression { column, if_exists },
                _ => Alteration::DropIdentity { column, if_exists },
            }));
        }
        let kind = self.identity_kind()?;
        if !self.eat_words(&["as", "identity"]) {
            return Err(self.unexpected());
        }
        let mut options = Default::default();
        if self.parser.consume_token(&Token::LParen) {
            options = self.sequence_options()?;
            self.close()?;
        }
        Ok(Some(Alteration::AddIdentity { column, kind, options }))
    }

    /// ALWAYS or BY DEFAULT.
    fn identity_kind(&mut self) -> Result<Identity> {
        match () {
            () if self.eat("always") => Ok(Identity::Always),
            () if self.eat_words(&["by", "default"]) => Ok(Identity::ByDefault),
            () => Err(self.unexpected()),
        }
    }

    /// `SET GENERATED ALWAYS SET INCREMENT BY 2 RESTART`, behind the column.
    fn alter_identity(&mut self, column: String) -> Result<Alteration> {
        let (mut kind, mut options) = (None, Default::default());
        loop {
            if self.eat_words(&["set", "generated"]) {
                kind = Some(self.identity_kind()?);
            } else if self.eat("set") || self.word(0) == "restart" {
                self.sequence_option(&mut options)?;
            } else {
                return Ok(Alteration::AlterIdentity { column, kind, options });
            }
        }
    }
}

/// A change of the table of that name.
fn alteration(operation: AlterTableOperation, table: &str) -> Result<Alteration> {
    use AlterTableOperation as Op;
    Ok(match operation {
        Op::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
            let Defined { column, named, key, rules, numbered, .. } = defined(&column_def, table)?;
            Alteration::AddColumn { column, named, key, rules, numbered, if_not_exists }
        }
        Op::DropColumn { column_names, if_exists, drop_behavior, .. } if column_names.len() == 1 => {
            let cascade = matches!(drop_behavior, Some(ast::DropBehavior::Cascade));
            Alteration::DropColumn { name: fold_name(&column_names[0]), if_exists, cascade }
        }
        Op::RenameColumn { old_column_name, new_column_name } => {
            Alteration::RenameColumn { from: fold_name(&old_column_name), to: checked_name(fold_name(&new_column_name))? }
        }
        Op::RenameTable { table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name) } => {
            Alteration::Rename(last_name(&name)?)
        }
        Op::RenameConstraint { old_name, new_name } => {
            Alteration::RenameRule { from: fold_name(&old_name), to: checked_name(fold_name(&new_name))? }
        }
        // NOT VALID spares the check of the rows that are there; it is made all the same, as VALIDATE CONSTRAINT would.
        Op::AddConstraint { constraint, .. } => Alteration::AddRule(rule(&constraint)?),
        Op::ValidateConstraint { name } => Alteration::Validate(fold_name(&name)),
        Op::DropConstraint { name, if_exists, .. } => Alteration::DropRule { name: fold_name(&name), if_exists },
        Op::AlterColumn { column_name, op } => alter_column(fold_name(&column_name), op)?,
        Op::EnableRowLevelSecurity => Alteration::Security(SecurityChange::Enable),
        Op::DisableRowLevelSecurity => Alteration::Security(SecurityChange::Disable),
        Op::ForceRowLevelSecurity => Alteration::Security(SecurityChange::Force),
        Op::NoForceRowLevelSecurity => Alteration::Security(SecurityChange::NoForce),
        other @ Op::ReplicaIdentity { .. } => {
            return Err(Error::unsupported(format!("ALTER TABLE .. {other} is not supported"))
                .hint("Leave it out: there is no logical replication, and the log has whole rows."));
        }
        other => {
            return Err(Error::unsupported(format!("ALTER TABLE .. {other} is not supported"))
                .hint("There are ADD, DROP, RENAME and ALTER of columns and constraints, and RENAME TO."));
        }
    })
}

fn alter_column(column: String, op: AlterColumnOperation) -> Result<Alteration> {
    use AlterColumnOperation as Op;
    Ok(match op {
        Op::SetNotNull => Alteration::SetNotNull { column, not_null: true },
        Op::DropNotNull => Alteration::SetNotNull { column, not_null: false },
        Op::SetDefault { value } => Alteration::SetDefault { column, default: Some(unnested(&value).to_string()) },
        Op::DropDefault => Alteration::SetDefault { column, default: None },
        Op::SetDataType { data_type, using, .. } => {
            let (plain, precision) = without_precision(&data_type);
            Alteration::SetType { column, ty: sql_type(&plain)?, precision, using: using.map(|u| u.to_string()) }
        }
        Op::AddGenerated { generated_as, sequence_options } => {
            let kind = if matches!(generated_as, Some(GeneratedAs::Always)) { Identity::Always } else { Identity::ByDefault };
            let options = identity_options(&PgType::Int8, sequence_options.as_deref().unwrap_or_default())?;
            Alteration::AddIdentity { column, kind, options }
        }
    })
}
