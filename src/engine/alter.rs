//! ALTER TABLE, STREAM, VIEW and MATERIALIZED VIEW.
//!
//! Names, defaults, NOT NULL and constraints are facts of the catalog: another definition of the same relation is staged. A column that is
//! NULL in all rows is added in place ([`super::in_place`]) by a statement that is a transaction of its own. What else changes the columns
//! writes the relation anew ([`anew`]): a relation of another id takes its place, filled in the same transaction with
//! the rows of the table, or the events of the stream with their times, as an expression for each column makes them. So its old log goes,
//! and positions of a stream's events are new ones.
//!
//! What depends on a relation names it in its query. On RENAME and SET SCHEMA ([`super::rename`]) the queries are written anew; after any other
//! change each of them must still give the columns that it gave, or the change is refused ([`Session::settle_dependents`]).

mod anew;
mod identity;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast;

use self::identity::is_identity;
use super::constraints::{is_taken, referring};
use super::dml::{parsed_query, quoted};
use super::generated::is_text;
use super::indexes::check_key_types;
use super::partitions::{check_keys, refuse_key_column};
use super::rename::whole_name;
use super::session::Session;
use super::table_locks::Mode;
use super::triggers::rename_column_in_triggers;
use crate::catalog::{
    Catalog, Change, Column, Constraint, ForeignKey, Index, IndexKey, Name, NamespaceId, Relation, RelationId, RelationKind, Rule,
};
use crate::data::PgType;
use crate::data::quoting::ident;
use crate::error::{Error, Result, code};
use crate::sql::convert::check_columns;
use crate::sql::fold_name;
use crate::sql::statement::{Alteration, NewRule, SequenceOptions, What};

impl Session {
    /// Makes the changes one after the other. Errors: 42P01, 3F000, 42809, and those of each change.
    pub(super) async fn alter(&mut self, kind: RelationKind, name: &Name, if_exists: bool, changes: &[Alteration]) -> Result<()> {
        let mut id = None;
        for change in changes {
            let catalog = self.define().await?;
            // The first change may have given it another name; one that writes it anew gives it another number.
            let found = match id.and_then(|id| catalog.by_id(id)) {
                Some(known) => Some(known.clone()),
                None => self.scope().find(name).cloned(),
            };
            let Some(relation) = found else { return self.alter_other(kind, name, if_exists, change).await };
            id = Some(relation.id);
            // ALTER TABLE takes whatever is like a table, as PostgreSQL's.
            if relation.kind != kind && kind != RelationKind::Table {
                return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a {}", kind.word())));
            }
            if relation.ksql.is_some() && !matches!(change, Alteration::Nothing | Alteration::Storage { .. }) {
                return Err(Error::unsupported(format!("\"{name}\" was made in ksqlDB's dialect"))
                    .hint("ALTER STREAM name ADD COLUMN column TYPE of that dialect adds columns; for the rest DROP and CREATE it."));
            }
            self.must_own(&relation)?;
            // Names are all that these change.
            if !matches!(change, Alteration::Rename(_) | Alteration::SetSchema(_) | Alteration::RenameRule { .. }) {
                self.refuse_due(&self.scope().written(&relation))?;
            }
            self.alter_one(&catalog, &relation, change, changes.len() == 1).await?;
        }
        Ok(())
    }

    /// ALTER of what is no relation: a sequence, or nothing.
    async fn alter_other(&mut self, kind: RelationKind, name: &Name, if_exists: bool, change: &Alteration) -> Result<()> {
        let scope = self.scope();
        if let (RelationKind::Table, Some(sequence)) = (kind, scope.sequence(name)) {
            return self.move_as_told(&scope, sequence, change);
        }
        if if_exists {
            let text = format!("relation \"{name}\" does not exist, skipping");
            self.notice("NOTICE", Error::new(code::SUCCESS, text));
            return Ok(());
        }
        scope.check_schema(name)?;
        Err(scope.missing(name))
    }

    /// `only`: the statement makes no other change.
    async fn alter_one(&mut self, catalog: &Arc<Catalog>, relation: &Arc<Relation>, change: &Alteration, only: bool) -> Result<()> {
        if let Alteration::Rename(to) = change {
            return self.rename(catalog, relation, to).await;
        }
        if let Alteration::SetSchema(schema) = change {
            return self.set_schema(catalog, relation, schema).await;
        }
        if let Alteration::Storage { column, told } = change {
            if let Some(missing) = column.as_ref().filter(|name| !relation.columns.iter().any(|c| c.name == **name)) {
                let message = format!("column \"{missing}\" of relation \"{}\" does not exist", relation.name);
                return Err(Error::new(code::UNDEFINED_COLUMN, message));
            }
            told.iter().for_each(|text| self.notice("NOTICE", Error::new(code::SUCCESS, text.clone())));
        }
        if let Alteration::Validate(name) = change {
            return validated(&self.scope().written(relation), name);
        }
        match change {
            Alteration::Nothing | Alteration::Storage { .. } => return Ok(()),
            of_partition if relation.is_partition() => return Box::pin(self.alter_partition(relation, of_partition)).await,
            _ => {}
        }
        if let Alteration::OfView(said) = change {
            let view_options = relation.view_options.with(*said);
            let view = Relation { view_options, ..relation.as_ref().clone() };
            self.may_check(&view)?;
            return self.stage(Change::Alter(view), vec![]);
        }
        if !relation.has_log() {
            let message = format!("ALTER action cannot be performed on relation \"{}\"", relation.name);
            return Err(Error::new(code::WRONG_OBJECT_TYPE, message)
                .detail(format!("This operation is not supported for a {}.", relation.kind.word())));
        }
        let mut altered = relation.as_ref().clone();
        match change {
            Alteration::AddColumn { column, named, key, rules, numbered, if_not_exists } => {
                let mut column = [column.clone()];
                self.settle_types(&mut column, named.iter().map(|ty| (0, ty.clone())).collect::<Vec<_>>().as_slice())?;
                let [column] = column;
                let added = Added { column, key: *key, rules, numbered: numbered.as_ref(), if_not_exists: *if_not_exists };
                self.add_column(relation, added, only).await
            }
            Alteration::DropColumn { name, if_exists, cascade } => self.drop_column(catalog, relation, name, *if_exists, *cascade).await,
            Alteration::RenameColumn { from, to } => self.rename_column(relation, from, to).await,
            Alteration::Security(change) => self.change_security(relation, *change),
            Alteration::SetType { column, ty, precision, using } => {
                let ty = self.type_of_values(ty)?;
                self.set_type(relation, column, (&ty, *precision), using.as_deref()).await
            }
            Alteration::SetDefault { column, default } => {
                let at = relation.column(column)?;
                if relation.columns[at].generated.is_some() {
                    let error = Error::syntax(format!("column \"{column}\" of relation \"{}\" is a generated column", relation.name));
                    let hint = "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.";
                    return Err(if default.is_none() { error.hint(hint) } else { error });
                }
                if relation.columns[at].identity.is_some() {
                    let hint = "Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.";
                    let error = is_identity(relation, column);
                    return Err(if default.is_none() { error.hint(hint) } else { error });
                }
                altered.columns[at].default = default.clone();
                self.keep_default(&mut altered.columns[at]).await?;
                self.stage(Change::Alter(altered), vec![])
            }
            Alteration::SetNotNull { column, not_null } => {
                let at = relation.column(column)?;
                if !not_null && relation.key.contains(&at) {
                    return Err(Error::new(code::INVALID_TABLE_DEFINITION, format!("column \"{column}\" is in a primary key")));
                }
                if !not_null && relation.columns[at].identity.is_some() {
                    return Err(is_identity(relation, column));
                }
                altered.columns[at].nullable = !not_null;
                if *not_null {
                    self.check_no_nulls(relation, column).await?;
                } else if !relation.columns[at].nullable {
                    // That it is never NULL has been made use of.
                    self.stage(Change::Alter(Relation { schemas: Default::default(), ..altered }), vec![])?;
                    return self.fold_views_again(relation.id).await;
                }
                self.stage(Change::Alter(altered), vec![])
            }
            Alteration::Attach { partition, bound } => Box::pin(self.attach(relation, partition, bound)).await,
            Alteration::Detach { partition } => Box::pin(self.detach(relation, partition)).await,
            Alteration::AddIdentity { column, kind, options } => self.add_identity(altered, column, *kind, options),
            Alteration::AlterIdentity { column, kind, options } => self.alter_identity(altered, column, *kind, options),
            Alteration::DropIdentity { column, if_exists } => self.drop_identity(altered, column, *if_exists),
            Alteration::DropExpression { column, if_exists } => self.drop_expression(relation, column, *if_exists),
            Alteration::SwitchTriggers { name, enabled } => self.switch_triggers(relation, name.as_deref(), *enabled),
            Alteration::AddRule(NewRule { what: What::PrimaryKey(columns), name }) => self.add_key(relation, name.clone(), columns).await,
            Alteration::AddRule(NewRule { what: What::UniqueUsingIndex(index), name }) => {
                self.add_rule_using_index(relation, name.as_deref(), index)
            }
            Alteration::AddRule(rule) => self.add_rule(relation, rule).await.map(|_| ()),
            Alteration::DropRule { name, if_exists } => self.drop_rule(catalog, altered, name, *if_exists),
            Alteration::RenameRule { from, to } => {
                if !altered.key.is_empty() && altered.key_name() == *from {
                    return self.rename_key(altered, to);
                }
                let missing = || no_constraint(from, &relation.name);
                altered.constraints.iter_mut().find(|c| c.name == *from).ok_or_else(missing)?.name = to.clone();
                self.stage(Change::Alter(altered), vec![])
            }
            Alteration::Resume { .. }
            | Alteration::Rename(_)
            | Alteration::SetSchema(_)
            | Alteration::Validate(_)
            | Alteration::Nothing
            | Alteration::Storage { .. }
            | Alteration::OfView(_) => Err(Error::internal("done before")),
        }
    }

    // Columns ----------------------------------------------------------------------------------------------------------------------

    async fn rename_column(&mut self, relation: &Arc<Relation>, from: &str, to: &str) -> Result<()> {
        let at = relation.column(from)?;
        if relation.columns.iter().any(|c| c.name == to) {
            return Err(column_exists(to, relation));
        }
        [from, to].into_iter().try_for_each(|name| self.refuse_naming_in_policies(relation, name))?;
        let mut altered = relation.as_ref().clone();
        altered.columns[at].name = to.to_string();
        altered.security = self.security_renamed(relation, from, to)?;
        altered.columns.iter_mut().filter_map(|c| c.generated.as_mut()).try_for_each(|text| rename_in_text(text, from, to))?;
        for constraint in &mut altered.constraints {
            rename_in_rule(&mut constraint.rule, from, to)?;
        }
        for index in &mut altered.indexes {
            index.columns_mut().filter(|c| *c == from).for_each(|c| *c = to.to_string());
            index.texts_mut().try_for_each(|text| rename_in_text(text, from, to))?;
        }
        rename_column_in_triggers(&mut altered, from, to)?;
        self.rename_in_partitioning(relation, &mut altered, from, to, rename_in_text)?;
        let items = relation.columns.iter().map(|c| quoted(&c.name)).collect();
        let renamed = self.rewrite(relation, altered, items, "rename a column of").await?;
        self.alter_references(renamed.id, |rule| {
            rule.parent_columns.iter_mut().filter(|c| *c == from).for_each(|c| *c = to.to_string());
        })
    }

    /// Changes all foreign keys that refer to a relation.
    fn alter_references(&mut self, parent: RelationId, change: impl Fn(&mut ForeignKey)) -> Result<()> {
        let catalog = self.catalog();
        // A table that refers to it several times is altered once.
        let children: BTreeMap<RelationId, &Arc<Relation>> = referring(&catalog, parent).map(|(child, ..)| (child.id, child)).collect();
        for child in children.into_values() {
            let mut child = child.as_ref().clone();
            child.constraints.iter_mut().for_each(|c| match &mut c.rule {
                Rule::ForeignKey(foreign) if foreign.parent == parent => change(foreign),
                _ => {}
            });
            self.stage(Change::Alter(child), vec![])?;
        }
        Ok(())
    }

    async fn add_column(&mut self, relation: &Arc<Relation>, added: Added<'_>, only: bool) -> Result<()> {
        let Added { mut column, key, rules, numbered, if_not_exists } = added;
        if relation.columns.iter().any(|c| c.name == column.name) {
            let exists = column_exists(&column.name, relation);
            if !if_not_exists {
                return Err(exists);
            }
            self.notice("NOTICE", Error::new(code::DUPLICATE_COLUMN, format!("{}, skipping", exists.message())));
            return Ok(());
        }
        self.refuse_naming_in_policies(relation, &column.name)?;
        self.keep_default(&mut column).await?;
        let mut altered = Relation { schemas: Default::default(), ..relation.as_ref().clone() };
        altered.columns.push(column.clone());
        let at = altered.columns.len() - 1;
        check_columns(&altered.columns)?;
        self.keep_generated(&mut altered, at).await?;
        let plain = !key && rules.is_empty() && numbered.is_none() && is_null_before(&column);
        if plain && only && self.may_take_effect_at_once(relation.id) {
            self.lock_definition(relation.id).await?;
            let _ddl = self.engine.ddl.clone().lock_owned().await;
            return self.alter_in_place(&self.engine.catalog(), altered).await;
        }
        altered.id = self.engine.new_id();
        let mut items: Vec<String> = relation.columns.iter().map(|c| quoted(&c.name)).collect();
        if let Some(options) = numbered {
            let sequence = self.number_column(&mut altered, at, options)?;
            let Change::PutSequence(named) = &sequence else { return Err(Error::internal("a column is numbered by a sequence")) };
            items.push(format!("nextval({})", named.id));
            self.stage(sequence, vec![])?;
        } else if let Some(expression) = &altered.columns[at].generated {
            items.push(self.whole_expression(expression)?);
        } else {
            items.push(self.catalog().default_of(&column).map_or(Ok("NULL".into()), |default| self.whole_expression(default))?);
        }
        if key {
            if !relation.key.is_empty() {
                let message = format!("multiple primary keys for table \"{}\" are not allowed", relation.name);
                return Err(Error::new(code::INVALID_TABLE_DEFINITION, message));
            }
            altered.key = vec![at];
            altered.columns[at].nullable = false;
        }
        let mut altered = self.rewrite(relation, altered, items, "add a column to").await?;
        self.check_domain_of(&altered, &column).await?;
        for rule in rules {
            altered = self.add_rule(&altered, rule).await?;
        }
        Ok(())
    }

    pub(super) async fn drop_column(
        &mut self,
        catalog: &Catalog,
        relation: &Arc<Relation>,
        name: &str,
        if_exists: bool,
        cascade: bool,
    ) -> Result<()> {
        if if_exists && !relation.columns.iter().any(|c| c.name == name) {
            let text = format!("column \"{name}\" of relation \"{}\" does not exist, skipping", relation.name);
            self.notice("NOTICE", Error::new(code::SUCCESS, text));
            return Ok(());
        }
        let at = relation.column(name)?;
        refuse_key_column(catalog, relation, name, "drop")?;
        self.refuse_naming_in_policies(relation, name)?;
        if let Some((catalog, relation)) = self.drop_generated_from(relation, name, cascade).await? {
            return Box::pin(self.drop_column(&catalog, &relation, name, if_exists, cascade)).await;
        }
        let on = format!("column {name} of table {}", relation.name);
        self.drop_foreign_keys(
            &on,
            referring(catalog, relation.id).filter(|(_, _, f)| f.parent_columns.iter().any(|c| c == name)),
            cascade,
        )?;
        if relation.columns.len() == 1 {
            return Err(Error::unsupported("a relation has one column at least").hint("DROP the relation."));
        }
        let mut altered = relation.as_ref().clone();
        altered.columns.remove(at);
        altered.security = self.security_without(relation, name, cascade)?;
        let keyed = !altered.key.contains(&at);
        altered.key = if keyed { relation.key.iter().map(|k| if *k > at { k - 1 } else { *k }).collect() } else { vec![] };
        altered.constraints.retain(|c| !names_column(&c.rule, name));
        altered.indexes.retain(|index| !index_names_column(index, name));
        self.drop_triggers_on(&mut altered, name, cascade)?;
        for sequence in catalog.sequences.of_column(relation.id, name) {
            self.stage(Change::DropSequence(sequence.id), vec![])?;
        }
        let items = altered.columns.iter().map(|c| quoted(&c.name)).collect();
        self.rewrite(relation, altered, items, "drop a column of").await.map(|_| ())
    }

    async fn set_type(
        &mut self,
        relation: &Arc<Relation>,
        column: &str,
        (ty, precision): (&PgType, Option<u8>),
        using: Option<&str>,
    ) -> Result<()> {
        let at = relation.column(column)?;
        refuse_key_column(&self.catalog(), relation, column, "alter")?;
        self.refuse_retyping_secured(relation, column)?;
        let old = &relation.columns[at].ty;
        if relation.columns[at].identity.is_some() && !matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8) {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint"));
        }
        let is_read_from_text = is_text(old) && !is_text(ty) && relation.columns[at].generated.is_none();
        if using.is_none() && (ty.is_of_user() && old != ty || is_read_from_text) {
            return Err(Error::new(code::DATATYPE_MISMATCH, format!("column \"{column}\" cannot be cast automatically to type {ty}"))
                .hint(format!("You might need to specify \"USING {}::{ty}\".", ident(column))));
        }
        let mut altered = relation.as_ref().clone();
        altered.columns[at].ty = ty.clone();
        altered.columns[at].precision = precision;
        altered.columns[at].domain = None;
        let retyped = Arc::new(Relation { schemas: Default::default(), ..altered.clone() });
        self.check_retyped(&retyped, at, using.is_some()).await?;
        for index in &mut altered.indexes {
            self.settle_index(&retyped, index).await?;
        }
        let mut items: Vec<String> = relation.columns.iter().map(|c| quoted(&c.name)).collect();
        items[at] = match using {
            Some(expression) => format!("({expression})::{}", ty.in_sql()),
            None => format!("{}::{}", quoted(column), ty.in_sql()),
        };
        let retyped = self.rewrite(relation, altered, items, "change a column of").await?;
        self.check_rules_of(&retyped, column).await
    }

    /// Checks the rules that a column has a part in, of other tables too, after its type and its values have become others. What is unique has
    /// been looked at. Errors: those of ADD CONSTRAINT.
    async fn check_rules_of(&mut self, relation: &Arc<Relation>, column: &str) -> Result<()> {
        let catalog = self.catalog();
        let own = relation.constraints.iter().filter(|c| names_column(&c.rule, column)).map(|c| (relation, c));
        let refers = referring(&catalog, relation.id).filter(|(_, _, f)| f.parent_columns.iter().any(|c| c == column));
        for (table, constraint) in own.chain(refers.map(|(child, c, _)| (child, c))) {
            self.check_rule_fits(table, constraint).await?;
            self.check_rows(table, constraint).await?;
        }
        Ok(())
    }

    /// Errors: those of a constraint that rows break. It takes no right to see the rows, of which one may refer to another table's.
    async fn check_rows(&mut self, relation: &Arc<Relation>, constraint: &Constraint) -> Result<()> {
        self.set_unasked(true);
        let checked = self.check_present(relation, constraint).await;
        self.set_unasked(false);
        checked
    }

    async fn check_no_nulls(&mut self, relation: &Relation, column: &str) -> Result<()> {
        let query =
            parsed_query(&format!("SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1", whole_name(&self.catalog(), relation), quoted(column)))?;
        let planned = self.plan_query(&query, &[]).await?;
        if self.collect(&planned, vec![]).await?.iter().any(|b| b.num_rows() > 0) {
            let message = format!("column \"{column}\" of relation \"{}\" contains null values", relation.name);
            return Err(Error::new(code::NOT_NULL_VIOLATION, message));
        }
        Ok(())
    }

    // Constraints -----------------------------------------------------------------------------------------------------------------------

    async fn add_key(&mut self, relation: &Arc<Relation>, name: Option<String>, columns: &[String]) -> Result<()> {
        if !relation.key.is_empty() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", relation.name);
            return Err(Error::new(code::INVALID_TABLE_DEFINITION, message));
        }
        if relation.kind != RelationKind::Table {
            return Err(Error::unsupported("a stream has no primary key: every event is kept"));
        }
        let mut altered = relation.as_ref().clone();
        self.check_free(relation.namespace, name.as_deref())?;
        altered.key_named = name;
        altered.key = columns.iter().map(|c| relation.column(c)).collect::<Result<_>>()?;
        check_key_types(altered.key.iter().map(|k| &relation.columns[*k]))?;
        check_keys(&self.catalog(), relation, &altered)?;
        for k in altered.key.clone() {
            self.check_no_nulls(relation, &relation.columns[k].name).await?;
            altered.columns[k].nullable = false;
        }
        self.check_columns_unique(relation, &altered.key_name(), columns).await?;
        let items = relation.columns.iter().map(|c| quoted(&c.name)).collect();
        self.rewrite(relation, altered, items, "add a primary key to").await.map(|_| ())
    }

    /// Adds a constraint, which the rows that are there must satisfy. Answers the relation with it.
    async fn add_rule(&mut self, relation: &Arc<Relation>, rule: &NewRule) -> Result<Arc<Relation>> {
        let constraint = self.new_constraint(relation, rule).await?;
        let mut altered = relation.as_ref().clone();
        altered.constraints.push(constraint.clone());
        check_keys(&self.catalog(), relation, &altered)?;
        if relation.kind == RelationKind::Stream && !matches!(constraint.rule, Rule::Check(_)) {
            return Err(Error::unsupported("a stream takes CHECK constraints only: its events are not compared with others"));
        }
        if relation.kind == RelationKind::Table {
            // Nobody puts rows meanwhile that are not checked yet.
            self.lock_definition(relation.id).await?;
        }
        let _referred = match &constraint.rule {
            // Nor does anybody take away rows that these refer to.
            Rule::ForeignKey(foreign) if foreign.parent != relation.id => self.lock_table(foreign.parent, Mode::Refer).await?,
            _ => None,
        };
        self.check_rows(relation, &constraint).await?;
        self.stage(Change::Alter(altered.clone()), vec![])?;
        Ok(Arc::new(altered))
    }

    /// Calls the primary key otherwise. Errors: 42P07.
    pub(super) fn rename_key(&mut self, mut altered: Relation, to: &str) -> Result<()> {
        self.check_free(altered.namespace, Some(to))?;
        altered.key_named = Some(to.to_string());
        self.stage(Change::Alter(altered), vec![])
    }

    /// Errors: 42P07 for a name, if one is chosen, that something in the schema has already.
    pub(super) fn check_free(&self, namespace: NamespaceId, name: Option<&str>) -> Result<()> {
        match name.filter(|name| is_taken(&self.catalog(), namespace, name)) {
            Some(name) => Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists"))),
            None => Ok(()),
        }
    }

    fn drop_rule(&mut self, catalog: &Catalog, mut altered: Relation, name: &str, if_exists: bool) -> Result<()> {
        let Some(at) = altered.constraints.iter().position(|c| c.name == name) else {
            if altered.key_name() == name && !altered.key.is_empty() {
                return Err(Error::unsupported("a primary key cannot be dropped: rows are known by it")
                    .hint("Create a table without it, and fill it with INSERT INTO .. SELECT."));
            }
            if !if_exists {
                return Err(no_constraint(name, &altered.name));
            }
            let text = format!("{}, skipping", no_constraint(name, &altered.name).message());
            self.notice("NOTICE", Error::new(code::SUCCESS, text));
            return Ok(());
        };
        let gone = altered.constraints.remove(at);
        if let Rule::Unique(columns) = &gone.rule
            && let Some((child, constraint, _)) = referring(catalog, altered.id).find(|(_, _, f)| is_same_set(&f.parent_columns, columns))
        {
            let message = format!("cannot drop constraint {name} on table {} because other objects depend on it", altered.name);
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(format!("constraint {} on table {} depends on it", constraint.name, child.name))
                .hint("Drop that first."));
        }
        self.stage(Change::Alter(altered), vec![])
    }

    // Writing anew ----------------------------------------------------------------------------------------------------------------------
}

/// ADD COLUMN.
struct Added<'a> {
    column: Column,
    /// PRIMARY KEY.
    key: bool,
    rules: &'a [NewRule],
    /// Of a serial or identity column.
    numbered: Option<&'a SequenceOptions>,
    if_not_exists: bool,
}

/// True for a column that is NULL in the rows there are, and may be.
fn is_null_before(column: &Column) -> bool {
    column.nullable && column.default.is_none() && column.domain.is_none() && column.identity.is_none() && column.generated.is_none()
}

fn names_column(rule: &Rule, name: &str) -> bool {
    match rule {
        Rule::Unique(columns) => columns.iter().any(|c| c == name),
        Rule::ForeignKey(foreign) => foreign.columns.iter().any(|c| c == name),
        Rule::Check(sql) => columns_in(sql).iter().any(|c| c == name),
    }
}

fn index_names_column(index: &Index, name: &str) -> bool {
    let columns = index.keys.iter().filter_map(IndexKey::column).chain(&index.include);
    columns.into_iter().any(|c| c == name) || index.texts().any(|text| columns_in(text).iter().any(|c| c == name))
}

/// True for the same columns in any order.
fn is_same_set(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|column| b.contains(column))
}

/// The names of columns in an expression, those with a table before them too.
pub(super) fn columns_in(sql: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(query) = parsed_query(&format!("SELECT {sql}")) {
        let _ = ast::visit_expressions(query.as_ref(), |e| {
            match e {
                ast::Expr::Identifier(ident) => names.push(fold_name(ident)),
                ast::Expr::CompoundIdentifier(parts) => names.extend(parts.last().map(fold_name)),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
    }
    names
}

fn rename_in_rule(rule: &mut Rule, from: &str, to: &str) -> Result<()> {
    let put = |columns: &mut Vec<String>| columns.iter_mut().filter(|c| *c == from).for_each(|c| *c = to.to_string());
    match rule {
        Rule::Unique(columns) => put(columns),
        Rule::ForeignKey(foreign) => put(&mut foreign.columns),
        Rule::Check(sql) => rename_in_text(sql, from, to)?,
    }
    Ok(())
}

/// Gives a column another name in an expression.
fn rename_in_text(sql: &mut String, from: &str, to: &str) -> Result<()> {
    if !columns_in(sql).iter().any(|c| c == from) {
        return Ok(());
    }
    let mut query = parsed_query(&format!("SELECT {sql}"))?;
    let _ = ast::visit_expressions_mut(query.as_mut(), |e| {
        let named = match e {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => parts.last_mut(),
            _ => None,
        };
        if let Some(ident) = named.filter(|ident| fold_name(ident) == from) {
            *ident = ast::Ident::with_quote('"', to);
        }
        ControlFlow::<()>::Continue(())
    });
    *sql = query.to_string().trim_start_matches("SELECT ").to_string();
    Ok(())
}

pub(super) fn depended_on(relation: &Relation, what: &str, other: &Relation) -> Error {
    let message = format!("cannot {what} {} {}: {} {} depends on it", relation.kind.word(), relation.name, other.kind.word(), other.name);
    Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
}

fn column_exists(name: &str, relation: &Relation) -> Error {
    Error::new(code::DUPLICATE_COLUMN, format!("column \"{name}\" of relation \"{}\" already exists", relation.name))
}

/// Errors: 42704, 42809 for a constraint that cannot be asked to be validated.
fn validated(relation: &Relation, name: &str) -> Result<()> {
    match relation.constraints.iter().find(|c| c.name == name).map(|c| &c.rule) {
        Some(Rule::Check(_) | Rule::ForeignKey(_)) => Ok(()),
        None if relation.key.is_empty() || relation.key_name() != name => Err(no_constraint(name, &relation.name)),
        _ => {
            let message = format!("constraint \"{name}\" of relation \"{}\" is not a foreign key or check constraint", relation.name);
            Err(Error::new(code::WRONG_OBJECT_TYPE, message))
        }
    }
}

fn no_constraint(name: &str, relation: &str) -> Error {
    Error::new(code::UNDEFINED_OBJECT, format!("constraint \"{name}\" of relation \"{relation}\" does not exist"))
}

#[cfg(test)]
mod tests {
    use super::columns_in;

    #[test]
    fn a_condition_names_columns() {
        assert_eq!(columns_in("price > 0 AND \"Kind\" <> 'x'"), ["price", "Kind"]);
    }
}
