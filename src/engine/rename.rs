//! RENAME TO and SET SCHEMA, and how what the catalog keeps follows: the queries of views name relations, and defaults sequences.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{self, VisitMut, VisitorMut};

use super::alter::depended_on;
use super::constraints::is_taken;
use super::dml::{parsed_query, quoted};
use super::schemas::users_schema;
use super::session::Session;
use super::types::check_free_of_types;
use crate::catalog::{
    Catalog, Change, Domain, Name, Namespace, NamespaceId, PUBLIC_NAMESPACE, Relation, RelationId, Scope, Sequence, TypeKind, UserType,
};
use crate::error::{Error, Result, code};
use crate::sql::convert::relation_name;
use crate::sql::fold_name;
use crate::sql::respell::{self, Renamed};
use crate::sql::statement::Alteration;

/// What makes a query of an expression.
const SELECT: &str = "SELECT ";

/// The name of something as a text of the catalog has it.
fn kept_name(catalog: &Catalog, namespace: NamespaceId, name: &str) -> Name {
    match namespace {
        PUBLIC_NAMESPACE => Name::bare(name),
        _ => Name::qualified(catalog.namespace_name(namespace), name),
    }
}

/// The default of a column that takes its numbers from a sequence.
pub(super) fn numbers_of(catalog: &Catalog, sequence: &Sequence) -> String {
    let name = kept_name(catalog, sequence.namespace, &sequence.name).in_sql();
    format!("nextval('{}'::regclass)", name.replace('\'', "''"))
}

impl Session {
    /// ALTER SEQUENCE .. RENAME TO and SET SCHEMA. Errors: 42P01, 42809, 42P07, 3F000.
    pub(super) async fn alter_name_of_sequence(&mut self, name: &Name, if_exists: bool, change: &Alteration) -> Result<()> {
        self.define().await?;
        let scope = self.scope();
        match scope.sequence(name) {
            Some(sequence) => self.move_as_told(&scope, sequence, change),
            None => self.no_sequence(name, if_exists),
        }
    }

    pub(super) fn move_as_told(&mut self, scope: &Scope, sequence: &Arc<Sequence>, change: &Alteration) -> Result<()> {
        self.must_own_sequence(sequence)?;
        match change {
            Alteration::Rename(to) if is_taken(scope, sequence.namespace, to) => {
                Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{to}\" already exists")))
            }
            Alteration::Rename(to) => self.move_sequence(sequence, Sequence { name: to.clone(), ..sequence.as_ref().clone() }),
            Alteration::SetSchema(to) => self.set_schema_of_sequence(scope, sequence, to),
            _ => Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", sequence.name))),
        }
    }

    /// RENAME TO. Errors: 42P07, 42710, 2BP01.
    pub(super) async fn rename(&mut self, catalog: &Arc<Catalog>, relation: &Arc<Relation>, to: &str) -> Result<()> {
        if is_taken(catalog, relation.namespace, to) {
            return Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{to}\" already exists")));
        }
        check_free_of_types(catalog, relation.namespace, to)?;
        self.refuse_ksql_dependents(catalog, relation, "rename")?;
        // The primary key keeps its name, as other constraints and indexes do.
        let key_named = (!relation.key.is_empty()).then(|| relation.key_name());
        self.stage(Change::Alter(Relation { name: to.to_string(), key_named, ..relation.as_ref().clone() }), vec![])?;
        self.follow_relation(catalog, relation.id)
    }

    /// SET SCHEMA: the relation's sequences go with it. Errors: 3F000, 42P07, 42501, 2BP01.
    pub(super) async fn set_schema(&mut self, catalog: &Arc<Catalog>, relation: &Arc<Relation>, schema: &str) -> Result<()> {
        let to = users_schema(catalog, schema)?.id;
        if to == relation.namespace {
            return Ok(());
        }
        self.may_create_in(to)?;
        let sequences: Vec<Arc<Sequence>> = catalog.sequences.owned_by(relation.id).cloned().collect();
        let indexes = super::constraints::index_names(relation);
        let names = std::iter::once(&relation.name).chain(sequences.iter().map(|s| &s.name)).chain(&indexes);
        for name in names {
            if is_taken(catalog, to, name) {
                return Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists in schema \"{schema}\"")));
            }
        }
        self.refuse_ksql_dependents(catalog, relation, "move")?;
        self.stage(Change::Alter(Relation { namespace: to, ..relation.as_ref().clone() }), vec![])?;
        for sequence in sequences {
            self.move_sequence(&sequence, Sequence { namespace: to, ..sequence.as_ref().clone() })?;
        }
        self.follow_relation(catalog, relation.id)
    }

    fn refuse_ksql_dependents(&self, catalog: &Catalog, relation: &Relation, what: &str) -> Result<()> {
        match catalog.dependents(relation.id).iter().find(|d| d.ksql.is_some()) {
            Some(other) => Err(depended_on(relation, what, other).hint("DROP that first, and make it again for the new name.")),
            None => Ok(()),
        }
    }

    /// The same for a sequence on its own. Errors: 3F000, 42P07, 42501.
    pub(super) fn set_schema_of_sequence(&mut self, catalog: &Catalog, sequence: &Arc<Sequence>, schema: &str) -> Result<()> {
        let to = users_schema(catalog, schema)?.id;
        if sequence.owner.is_some() {
            return Err(Error::unsupported("cannot move an owned sequence into another schema").hint("It goes with its table."));
        }
        self.may_create_in(to)?;
        if to != sequence.namespace && is_taken(catalog, to, &sequence.name) {
            let name = &sequence.name;
            return Err(Error::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists in schema \"{schema}\"")));
        }
        self.move_sequence(sequence, Sequence { namespace: to, ..sequence.as_ref().clone() })
    }

    /// Gives a sequence another name or schema, also where texts of the catalog name it.
    pub(super) fn move_sequence(&mut self, old: &Sequence, new: Sequence) -> Result<()> {
        let scope = Scope::kept(self.catalog());
        let id = old.id;
        self.stage(Change::PutSequence(new.clone()), vec![])?;
        let name = kept_name(&self.catalog(), new.namespace, &new.name);
        self.follow_in_literals(&|old| scope.sequence(old).filter(|s| s.id == id).map(|_| name.clone()))
    }

    /// Queries name a relation as it is called now. `before` is the catalog in which it had its old name.
    fn follow_relation(&mut self, before: &Arc<Catalog>, id: RelationId) -> Result<()> {
        let after = self.catalog();
        let Some(relation) = after.by_id(id) else { return Ok(()) };
        let scope = Scope::kept(before.clone());
        let new = kept_name(&after, relation.namespace, &relation.name);
        let renamed = |name: &Name| scope.find(name).filter(|r| r.id == id).map(|_| new.clone());
        for dependent in before.dependents(id) {
            let sql = with_names(&dependent.sql, &renamed)?;
            self.stage(Change::Alter(Relation { sql, ..dependent.as_ref().clone() }), vec![])?;
        }
        self.follow_in_policies(&renamed)?;
        self.qualify_policies(id, before)?;
        self.follow_in_literals(&renamed)
    }

    /// Queries and defaults name what is in a schema by its new name.
    pub(super) fn follow_schema(&mut self, old: &Namespace, to: &str) -> Result<()> {
        let renamed = |name: &Name| (name.schema.as_deref() == Some(&old.name)).then(|| Name::qualified(to, &name.name));
        for relation in self.catalog().relations().filter(|r| r.is_view()) {
            let sql = with_names(&relation.sql, &renamed)?;
            if sql != relation.sql {
                self.stage(Change::Alter(Relation { sql, ..relation.as_ref().clone() }), vec![])?;
            }
        }
        self.follow_in_policies(&renamed)?;
        self.follow_in_literals(&renamed)
    }

    /// The same for the policies of relations.
    fn follow_in_policies(&mut self, renamed: Renamed<'_>) -> Result<()> {
        for relation in self.catalog().relations().filter(|r| !r.security.policies.is_empty()) {
            let mut altered = relation.as_ref().clone();
            for text in altered.security.policies.iter_mut().flat_map(|policy| policy.texts_mut()) {
                *text = unselected(&with_names(&format!("{SELECT}{text}"), renamed)?);
            }
            if altered.security != relation.security {
                self.stage(Change::Alter(altered), vec![])?;
            }
        }
        Ok(())
    }

    /// The policies of a relation that has got another name qualify columns by that.
    fn qualify_policies(&mut self, id: RelationId, before: &Catalog) -> Result<()> {
        let catalog = self.catalog();
        let (Some(old), Some(relation)) = (before.by_id(id), catalog.by_id(id)) else { return Ok(()) };
        if old.name == relation.name || relation.security.policies.is_empty() {
            return Ok(());
        }
        let mut altered = relation.as_ref().clone();
        for text in altered.security.policies.iter_mut().flat_map(|policy| policy.texts_mut()) {
            let mut query = parsed_query(&format!("{SELECT}{text}"))?;
            let mut changed = false;
            let _ = ast::visit_expressions_mut(query.as_mut(), |expr| {
                if let ast::Expr::CompoundIdentifier(parts) = expr
                    && let [qualifier, _] = parts.as_mut_slice()
                    && fold_name(qualifier) == old.name
                {
                    *qualifier = ast::Ident::with_quote('"', &relation.name);
                    changed = true;
                }
                ControlFlow::<()>::Continue(())
            });
            if changed {
                *text = unselected(&query.to_string());
            }
        }
        self.stage(Change::Alter(altered), vec![])
    }

    /// The same for what literals in queries and defaults name.
    fn follow_in_literals(&mut self, renamed: Renamed<'_>) -> Result<()> {
        for relation in self.catalog().relations().filter(|r| r.ksql.is_none()) {
            let mut altered = relation.as_ref().clone();
            if !relation.has_log() {
                altered.sql = respell::literals(&relation.sql, renamed)?;
            }
            for text in altered.columns.iter_mut().flat_map(|c| c.default.iter_mut().chain(&mut c.generated)) {
                *text = respell::literals_of_expression(text, renamed)?;
            }
            for text in altered.security.policies.iter_mut().flat_map(|policy| policy.texts_mut()) {
                *text = respell::literals_of_expression(text, renamed)?;
            }
            if altered.sql != relation.sql || altered.security != relation.security || altered.columns != relation.columns {
                self.stage(Change::Alter(altered), vec![])?;
            }
        }
        for (ty, domain) in self.catalog().domains() {
            let Some(default) = &domain.default else { continue };
            let followed = respell::literals_of_expression(default, renamed)?;
            if followed != *default {
                let what = TypeKind::Domain(Domain { default: Some(followed), ..domain.clone() });
                self.stage(Change::PutUserType(UserType { what, ..ty.as_ref().clone() }), vec![])?;
            }
        }
        Ok(())
    }
}

/// A query's text with other names for relations: those that `renamed` answers. Errors: 0A000 where a CTE has the old name.
fn with_names(sql: &str, renamed: Renamed<'_>) -> Result<String> {
    let mut query = parsed_query(sql)?;
    let mut renaming = Renaming { renamed, ctes: vec![], bare: vec![], changed: false };
    let _ = query.visit(&mut renaming);
    if !renaming.changed {
        return Ok(sql.to_string());
    }
    if let Some(name) = renaming.bare.iter().find(|name| renaming.ctes.contains(name)) {
        return Err(Error::unsupported(format!("a query that depends on \"{name}\" uses the name for a part of its own too"))
            .hint("Drop that view first, and make it again."));
    }
    Ok(query.to_string())
}

/// The expression of which a query was made.
fn unselected(query: &str) -> String {
    query.strip_prefix(SELECT).unwrap_or(query).to_string()
}

/// Gives relations other names wherever they are read. Where one has no alias its old name becomes one, so that columns that are
/// qualified by that still are; before columns the schema goes.
struct Renaming<'a> {
    renamed: Renamed<'a>,
    ctes: Vec<String>,
    /// Names without a schema that were changed.
    bare: Vec<String>,
    changed: bool,
}

fn new_name(name: &Name) -> ast::ObjectName {
    let quoted = |part: &String| ast::Ident::with_quote('"', part);
    ast::ObjectName::from(name.schema.iter().chain([&name.name]).map(quoted).collect::<Vec<_>>())
}

impl Renaming<'_> {
    /// True for `schema.relation` where that gets another name.
    fn is_renamed(&self, schema: &ast::Ident, relation: &ast::Ident) -> bool {
        (self.renamed)(&Name::qualified(fold_name(schema), fold_name(relation))).is_some()
    }
}

impl VisitorMut for Renaming<'_> {
    type Break = ();
    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        self.ctes.extend(query.with.iter().flat_map(|w| &w.cte_tables).map(|c| fold_name(&c.alias.name)));
        ControlFlow::Continue(())
    }
    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && let [ast::ObjectNamePart::Identifier(schema), ast::ObjectNamePart::Identifier(relation)] = name.0.as_slice()
                && self.is_renamed(schema, relation)
            {
                name.0.remove(0);
            }
        }
        ControlFlow::Continue(())
    }
    fn pre_visit_table_factor(&mut self, factor: &mut ast::TableFactor) -> ControlFlow<()> {
        if let ast::TableFactor::Table { name, alias, args: None, .. } = factor
            && let Ok(old) = relation_name(name)
            && let Some(new) = (self.renamed)(&old)
        {
            *name = new_name(&new);
            self.changed = true;
            if old.schema.is_none() {
                self.bare.push(old.name.clone());
            }
            if old.name != new.name {
                let kept = ast::Ident::with_quote('"', old.name);
                alias.get_or_insert_with(|| ast::TableAlias { explicit: true, name: kept, columns: vec![], at: None });
            }
        }
        ControlFlow::Continue(())
    }
    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::CompoundIdentifier(parts) = expr
            && let [schema, relation, _, ..] = parts.as_slice()
            && self.is_renamed(schema, relation)
        {
            parts.remove(0);
        }
        ControlFlow::Continue(())
    }
}

/// The whole name of a relation, in quotes: for a query of our own making.
pub(super) fn whole_name(catalog: &Catalog, relation: &Relation) -> String {
    format!("{}.{}", quoted(catalog.namespace_name(relation.namespace)), quoted(&relation.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_follows_the_name_of_what_it_reads() {
        let known = [Name::bare("a"), Name::qualified("public", "a")];
        let renamed = |sql: &str| with_names(sql, &|name| known.contains(name).then(|| Name::bare("b")));
        let text = |sql: &str| renamed(sql).unwrap();
        assert_eq!(text("SELECT x FROM a WHERE x > 1"), "SELECT x FROM \"b\" AS \"a\" WHERE x > 1");
        assert_eq!(text("SELECT a.x FROM public.a JOIN c ON a.x = c.x"), "SELECT a.x FROM \"b\" AS \"a\" JOIN c ON a.x = c.x");
        assert_eq!(text("SELECT q.x FROM (SELECT x FROM a AS z) q"), "SELECT q.x FROM (SELECT x FROM \"b\" AS z) q");
        assert_eq!(text("SELECT  x FROM other.a"), "SELECT  x FROM other.a");
        assert!(renamed("WITH a AS (SELECT 1) SELECT * FROM a").is_err());
    }

    #[test]
    fn a_query_follows_what_it_reads_into_another_schema() {
        let known = [Name::qualified("s", "a")];
        let text = |sql: &str| with_names(sql, &|name| known.contains(name).then(|| Name::qualified("t", "a"))).unwrap();
        assert_eq!(text("SELECT s.a.x, a.y FROM s.a, b"), "SELECT a.x, a.y FROM \"t\".\"a\", b");
        assert_eq!(text("SELECT s.a.* FROM s.a"), "SELECT a.* FROM \"t\".\"a\"");
    }
}
