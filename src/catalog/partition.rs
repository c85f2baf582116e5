//! Declarative partitioning (manual, chapter 5.11), as the catalog has it.
//!
//! A partitioned table is one table: the store finds rows by their keys and prunes segments by their statistics without partitions. A partition is
//! a relation of its own, [`RelationKind::Partition`], with a bound; its rows are those rows of the table that satisfy the bound. Reading it is
//! reading a view of the parent with that condition, so that views over the table stay as they are when partitions come and go, and keys, foreign keys and triggers are
//! the table's own. A statement that writes to a partition is given the table by way of it ([`Catalog::written`]). A partition may itself be partitioned.
//!
//! Invariant: the columns and the query of a partition are made of its parent's columns and of the bounds, whenever one of them changes; nobody sets them. So a
//! partition has its parent's defaults and constraints.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Catalog, Column, Indexed, Name, PUBLIC_NAMESPACE, Relation, RelationId, RelationKind, Security, name_after};
use crate::data::PgType;
use crate::data::quoting::{self, ident};

/// How a table is partitioned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partitioning {
    pub strategy: Strategy,
    /// What the bounds are about: columns and expressions.
    pub keys: Vec<Indexed>,
}

/// What a bound says of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    Range,
    List,
    Hash,
}

impl Strategy {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Strategy::Range => "RANGE",
            Strategy::List => "LIST",
            Strategy::Hash => "HASH",
        }
    }

    /// pg_partitioned_table.partstrat
    pub fn letter(self) -> &'static str {
        match self {
            Strategy::Range => "r",
            Strategy::List => "l",
            Strategy::Hash => "h",
        }
    }
}

/// Which rows of its parent a partition has. Values are the text of the key's type; in a statement, expressions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Bound {
    /// Those that no other partition has.
    Default,
    /// Those with one of these values; `None` is NULL.
    List(Vec<Option<String>>),
    /// Those from the one to before the other, compared value by value.
    Range { from: Vec<Datum>, to: Vec<Datum> },
    /// Those whose hash has this remainder.
    Hash { modulus: u32, remainder: u32 },
}

/// A value in a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Datum {
    /// MINVALUE
    Min,
    Value(String),
    /// MAXVALUE
    Max,
}

/// By way of which partition a statement writes to a table.
#[derive(Clone, Debug)]
pub struct Entry {
    pub partition: Arc<Relation>,
    pub table: Arc<Relation>,
    /// What rows of the partition satisfy, as SQL text.
    pub condition: String,
}

/// A part of a key, with its type.
struct Part {
    sql: String,
    ty: PgType,
}

impl Partitioning {
    /// The type of a part of the key of a table with these columns.
    pub fn type_of(key: &Indexed, columns: &[Column]) -> PgType {
        match key {
            Indexed::Column(name) => columns.iter().find(|c| c.name == *name).map_or(PgType::Text, |c| c.ty.clone()),
            Indexed::Expression { ty, .. } => ty.clone(),
        }
    }

    fn parts(&self, columns: &[Column]) -> Vec<Part> {
        let sql = |key: &Indexed| match key {
            Indexed::Column(name) => ident(name),
            Indexed::Expression { sql, .. } => format!("({sql})"),
        };
        self.keys.iter().map(|key| Part { sql: sql(key), ty: Partitioning::type_of(key, columns) }).collect()
    }

    /// The names of the columns that are parts of the key as they are.
    pub fn columns(&self) -> impl Iterator<Item = &String> {
        self.keys.iter().filter_map(|key| match key {
            Indexed::Column(name) => Some(name),
            Indexed::Expression { .. } => None,
        })
    }
}

/// A value of a type in SQL.
pub fn typed_literal(text: &str, ty: &PgType) -> String {
    format!("{}::{}", quoting::literal(text), ty.in_sql())
}

impl Bound {
    /// As pg_get_expr prints it and psql shows it.
    pub fn shown(&self, by: &Partitioning, columns: &[Column]) -> String {
        let types: Vec<PgType> = by.keys.iter().map(|key| Partitioning::type_of(key, columns)).collect();
        let value = |text: &String, at: usize| match types.get(at).map(|ty| ty.is_number() || ty.base() == PgType::Bool) {
            Some(true) if types[at].base() == PgType::Bool => if text.starts_with('t') { "true" } else { "false" }.to_string(),
            Some(true) if !text.starts_with('-') && text.starts_with(|c: char| c.is_ascii_digit()) => text.clone(),
            _ => quoting::literal(text),
        };
        let datum = |(at, datum): (usize, &Datum)| match datum {
            Datum::Min => "MINVALUE".to_string(),
            Datum::Max => "MAXVALUE".to_string(),
            Datum::Value(text) => value(text, at),
        };
        let tuple = |data: &[Datum]| data.iter().enumerate().map(datum).collect::<Vec<_>>().join(", ");
        match self {
            Bound::Default => "DEFAULT".into(),
            Bound::List(values) => {
                let values = values.iter().map(|v| v.as_ref().map_or("NULL".to_string(), |text| value(text, 0)));
                format!("FOR VALUES IN ({})", values.collect::<Vec<_>>().join(", "))
            }
            Bound::Range { from, to } => format!("FOR VALUES FROM ({}) TO ({})", tuple(from), tuple(to)),
            Bound::Hash { modulus, remainder } => format!("FOR VALUES WITH (modulus {modulus}, remainder {remainder})"),
        }
    }

    /// What rows of it satisfy, which is true or false of any row; `None` for the default partition.
    fn condition(&self, parts: &[Part]) -> Option<String> {
        let not_null = || parts.iter().map(|part| format!("{} IS NOT NULL", part.sql));
        Some(match self {
            Bound::Default => return None,
            Bound::List(values) => {
                let part = parts.first()?;
                let given: Vec<String> = values.iter().flatten().map(|text| typed_literal(text, &part.ty)).collect();
                let among = format!("{} IN ({})", part.sql, given.join(", "));
                match (values.iter().any(Option::is_none), given.is_empty()) {
                    (true, true) => format!("{} IS NULL", part.sql),
                    (true, false) => format!("({} IS NULL OR {among})", part.sql),
                    (false, _) => format!("({} IS NOT NULL AND {among})", part.sql),
                }
            }
            Bound::Range { from, to } => {
                let within = [from_there_on(parts, from), before(parts, to)].into_iter().flatten();
                format!("({})", not_null().chain(within).collect::<Vec<_>>().join(" AND "))
            }
            Bound::Hash { modulus, remainder } => {
                let keys: Vec<&str> = parts.iter().map(|part| part.sql.as_str()).collect();
                format!("hash_partition({modulus}, {remainder}, {})", keys.join(", "))
            }
        })
    }
}

/// The key is not below a lower bound; `None` where nothing is.
fn from_there_on(parts: &[Part], from: &[Datum]) -> Option<String> {
    let (Some((part, parts)), Some((first, from))) = (parts.split_first(), from.split_first()) else { return None };
    match first {
        Datum::Min => None,
        Datum::Max => Some("false".into()),
        Datum::Value(text) => {
            let (sql, value) = (&part.sql, typed_literal(text, &part.ty));
            Some(match (parts.is_empty(), from_there_on(parts, from)) {
                (true, _) | (false, None) => format!("{sql} >= {value}"),
                (false, Some(rest)) => format!("({sql} > {value} OR ({sql} = {value} AND {rest}))"),
            })
        }
    }
}

/// The key is below an upper bound; `None` where everything is.
fn before(parts: &[Part], to: &[Datum]) -> Option<String> {
    let (Some((part, parts)), Some((first, to))) = (parts.split_first(), to.split_first()) else { return Some("false".into()) };
    match first {
        Datum::Min => Some("false".into()),
        Datum::Max => None,
        Datum::Value(text) => {
            let (sql, value) = (&part.sql, typed_literal(text, &part.ty));
            Some(match (parts.is_empty(), before(parts, to)) {
                (true, _) => format!("{sql} < {value}"),
                (false, None) => format!("{sql} <= {value}"),
                (false, Some(rest)) => format!("({sql} < {value} OR ({sql} = {value} AND {rest}))"),
            })
        }
    }
}

/// One of these holds: nested no deeper than their number needs.
fn any_of(conditions: &[String]) -> String {
    match conditions {
        [] => "false".into(),
        [only] => only.clone(),
        several => {
            let (left, right) = several.split_at(several.len() / 2);
            format!("({} OR {})", any_of(left), any_of(right))
        }
    }
}

impl Relation {
    /// True for a partition of a table.
    pub fn is_partition(&self) -> bool {
        self.kind == RelationKind::Partition
    }

    /// True for what PostgreSQL calls a table, and not a view.
    pub fn is_table(&self) -> bool {
        self.has_log() || self.is_partition()
    }

    /// The parent of a partition.
    pub fn parent(&self) -> Option<RelationId> {
        self.depends_on.first().copied().filter(|_| self.is_partition())
    }

    /// The relation whose grants say who may do what with it: the partition by way of which a table is written to.
    pub fn granted_on(&self) -> RelationId {
        self.entry.as_ref().map_or(self.id, |entry| entry.partition.id)
    }
}

impl Catalog {
    /// The partitions of a relation, in the order in which they were made.
    pub fn partitions(&self, parent: RelationId) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations().filter(move |r| r.parent() == Some(parent))
    }

    /// The default partition of a relation, if it has one.
    pub fn default_partition(&self, parent: RelationId) -> Option<&Arc<Relation>> {
        self.partitions(parent).find(|p| p.bound.as_deref() == Some(&Bound::Default))
    }

    /// A relation, its parent if it is a partition, and so on up to the table.
    pub fn lineage<'a>(&'a self, relation: &'a Arc<Relation>) -> impl Iterator<Item = &'a Arc<Relation>> {
        std::iter::successors(Some(relation), |of| self.by_id(of.parent()?))
    }

    /// A relation with its partitions, theirs, and so on, and how far each is below it.
    pub fn partition_tree<'a>(&'a self, relation: &'a Arc<Relation>) -> Vec<(&'a Arc<Relation>, usize)> {
        let mut tree = vec![(relation, 0)];
        let mut next = 0;
        while let Some((of, level)) = tree.get(next).copied() {
            next += 1;
            if of.partitioning.is_some() {
                tree.extend(self.partitions(of.id).map(|partition| (partition, level + 1)));
            }
        }
        tree
    }

    /// What rows of its parent a partition has, as SQL text.
    fn condition_of(&self, partition: &Relation) -> Option<String> {
        let parent = self.by_id(partition.parent()?)?;
        self.condition_in(parent, partition.bound.as_deref()?)
    }

    /// What rows of a partitioned relation satisfy that a partition with that bound has; what all others do not, for the default one.
    pub fn condition_in(&self, parent: &Relation, bound: &Bound) -> Option<String> {
        let parts = parent.partitioning.as_ref()?.parts(&parent.columns);
        let others = || {
            let bounds = self.partitions(parent.id).filter_map(|p| p.bound.as_ref()?.condition(&parts));
            format!("NOT ({})", any_of(&bounds.collect::<Vec<_>>()))
        };
        Some(bound.condition(&parts).unwrap_or_else(others))
    }

    /// Each partitioned relation from a table down, with the condition of rows that are in it and in none of its partitions. Those with a
    /// default partition have no such rows.
    pub fn unplaced(&self, table: &Arc<Relation>) -> Vec<(Arc<Relation>, String)> {
        let (mut found, mut open) = (Vec::new(), vec![(table.clone(), None::<String>)]);
        while let Some((of, within)) = open.pop() {
            let partitions: Vec<&Arc<Relation>> = self.partitions(of.id).collect();
            let conditions: Vec<String> = partitions.iter().filter_map(|p| self.condition_of(p)).collect();
            let and = |condition: &str| match &within {
                Some(within) => format!("{within} AND {condition}"),
                None => condition.to_string(),
            };
            if self.default_partition(of.id).is_none() {
                found.push((of.clone(), and(&format!("NOT ({})", any_of(&conditions)))));
            }
            let deeper = partitions.iter().zip(&conditions).filter(|(p, _)| p.partitioning.is_some());
            open.extend(deeper.map(|(p, condition)| ((*p).clone(), Some(and(condition)))));
        }
        found
    }

    /// The partitions of a relation that are not partitioned themselves, with the condition of their rows among those of the relation.
    pub fn leaves(&self, relation: &Arc<Relation>) -> Vec<(RelationId, String)> {
        let (mut found, mut open) = (Vec::new(), vec![(relation.clone(), None::<String>)]);
        while let Some((of, within)) = open.pop() {
            for partition in self.partitions(of.id) {
                let Some(own) = self.condition_of(partition) else { continue };
                let condition = within.as_ref().map_or(own.clone(), |within| format!("{within} AND {own}"));
                match partition.partitioning {
                    Some(_) => open.push((partition.clone(), Some(condition))),
                    None => found.push((partition.id, condition)),
                }
            }
        }
        found
    }

    /// What is written to where a statement names a relation: for a partition, its table by way of it. The triggers for statements are those of
    /// what is named, and a partition has none.
    pub fn written(&self, relation: &Arc<Relation>) -> Arc<Relation> {
        let Some(table) = self.lineage(relation).last().filter(|_| relation.is_partition()) else { return relation.clone() };
        let above = self.lineage(relation).filter_map(|of| self.condition_of(of));
        let condition = above.collect::<Vec<_>>().join(" AND ");
        let mut written = table.as_ref().clone();
        written.name = relation.name.clone();
        (written.namespace, written.owner, written.security) = (relation.namespace, relation.owner, Security::default());
        written.triggers.retain(|trigger| trigger.row);
        written.entry = Some(Arc::new(Entry { partition: relation.clone(), table: table.clone(), condition }));
        Arc::new(written)
    }

    /// Makes the columns and queries of a relation's partitions what they are to be, and of theirs. The relation may be gone.
    pub(super) fn settle_partitions(&mut self, parent: RelationId) {
        let Some(parent) = self.by_id(parent).filter(|parent| parent.partitioning.is_some()).cloned() else { return };
        let partitions: Vec<Arc<Relation>> = self.partitions(parent.id).cloned().collect();
        for old in partitions {
            let sql = self.query_of_partition(&parent, &old);
            if old.sql != sql || old.columns != parent.columns {
                let mut settled = Relation { sql, columns: parent.columns.clone(), schemas: Default::default(), ..old.as_ref().clone() };
                settled.comments.follow(&old.columns, &settled.columns);
                let now = |name: &str| name_after(name, &old.columns, &parent.columns).map(str::to_string);
                settled.indexes.retain_mut(|index| index.columns_mut().all(|name| now(name).map(|now| *name = now).is_some()));
                self.relations.insert(old.id, Arc::new(settled));
            }
            self.settle_partitions(old.id);
        }
    }

    fn query_of_partition(&self, parent: &Relation, partition: &Relation) -> String {
        let columns: Vec<String> = parent.columns.iter().map(|c| ident(&c.name)).collect();
        let from = match parent.namespace {
            PUBLIC_NAMESPACE => Name::bare(&parent.name),
            _ => self.name_of(parent),
        };
        let condition = self.condition_of(partition).unwrap_or_else(|| "false".into());
        format!("SELECT {} FROM {} WHERE {condition}", columns.join(", "), from.in_sql())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Change;

    fn catalog(keys: &[&str], bounds: Vec<Bound>) -> Catalog {
        let columns: Vec<Column> = ["a", "b"].map(|name| Column::new(name.into(), PgType::Int4)).into();
        let strategy = if matches!(bounds.first(), Some(Bound::List(_))) { Strategy::List } else { Strategy::Range };
        let keys = keys.iter().map(|name| Indexed::Column(name.to_string())).collect();
        let mut table = Relation::new(20_000, "t".into(), RelationKind::Table, columns, String::new());
        table.partitioning = Some(Box::new(Partitioning { strategy, keys }));
        let mut catalog = Catalog::default().apply(&Change::Create(table)).unwrap();
        for (i, bound) in bounds.into_iter().enumerate() {
            let id = 20_001 + i as u32;
            let partition = Relation::new(id, format!("p{i}"), RelationKind::Partition, vec![], String::new());
            let partition = Relation { depends_on: vec![20_000], bound: Some(Box::new(bound)), ..partition };
            catalog = catalog.apply(&Change::Create(partition)).unwrap();
        }
        catalog
    }

    fn value(text: &str) -> Datum {
        Datum::Value(text.into())
    }

    #[test]
    fn a_partition_is_a_query_of_its_parent() {
        let list = catalog(&["a"], vec![Bound::List(vec![Some("1".into()), None]), Bound::Default]);
        let sql = |catalog: &Catalog, id: u32| catalog.by_id(id).unwrap().sql.split_once(" WHERE ").unwrap().1.to_string();
        let listed = "(a IS NULL OR a IN ('1'::integer))";
        assert_eq!(sql(&list, 20_001), listed);
        assert_eq!(sql(&list, 20_002), format!("NOT ({listed})"));
        let dropped = list.apply(&Change::Drop(vec![20_001])).unwrap();
        assert_eq!(sql(&dropped, 20_002), "NOT (false)");
    }

    #[test]
    fn bounds_of_several_columns_are_compared_one_after_the_other() {
        let range = Bound::Range { from: vec![value("1"), value("5")], to: vec![value("2"), Datum::Max] };
        let catalog = catalog(&["a", "b"], vec![range]);
        let table = catalog.by_id(20_000).unwrap();
        let condition = catalog.condition_of(catalog.by_id(20_001).unwrap()).unwrap();
        assert_eq!(
            condition,
            "(a IS NOT NULL AND b IS NOT NULL AND (a > '1'::integer OR (a = '1'::integer AND b >= '5'::integer)) AND a <= '2'::integer)"
        );
        assert_eq!(catalog.unplaced(table)[0].1, format!("NOT ({condition})"));
        assert_eq!(catalog.written(catalog.by_id(20_001).unwrap()).id, 20_000);
    }
}
