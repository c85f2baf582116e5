//! LIKE in CREATE TABLE: the columns of another relation, and what else of it the statement asks for.
//!
//! All of it is read from the catalog when the table is made. From then on the two have nothing to do with each other, but that a default
//! which takes numbers takes them from the same sequence; the sequence of an identity column is a new one, that counts as the other does.
//! Constraints other than CHECK, and indexes, get names of their own, as they share a schema with those of the other relation.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::constraints::key_names;
use super::indexes::unqualified;
use super::session::Session;
use crate::catalog::{Column, Index, Name, Privileges, Relation, RelationKind, Rule, SYSTEM_NAMESPACES, Sequence};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::sql::convert::check_columns;
use crate::sql::parse::{key_columns, refuse_rules_of_stream, several_keys};
use crate::sql::statement::{Like, NewRelation, NewRule, SequenceOptions, What};

/// What a new relation gets of others once it is there.
#[derive(Default)]
pub(super) struct Liked {
    pub indexes: Vec<Index>,
    /// By the column's name.
    pub comments: BTreeMap<String, String>,
}

impl Session {
    /// Puts the columns and rules of others where LIKE stands. Errors: 42P01, 42501, 42701, 42703, 42809, 42P16, 0A000.
    pub(super) fn take_liked(&self, new: &mut NewRelation) -> Result<Liked> {
        let mut liked = Liked::default();
        if new.likes.is_empty() {
            return Ok(liked);
        }
        let (own, likes) = (std::mem::take(&mut new.columns), std::mem::take(&mut new.likes));
        let numbered = std::mem::take(&mut new.numbered);
        let mut own = own.into_iter().enumerate();
        // Rules of the statement stand before those of others, which so find their names taken.
        for at in 0.. {
            for like in likes.iter().filter(|like| like.at == at) {
                self.take(like, new, &mut liked)?;
            }
            let Some((i, column)) = own.next() else { break };
            let place = new.columns.len();
            new.numbered.extend(numbered.iter().filter(|(of, _)| *of == i).map(|(_, options)| (place, options.clone())));
            new.columns.push(column);
        }
        check_columns(&new.columns)?;
        let is_key = |rule: &NewRule| matches!(rule.what, What::PrimaryKey(_));
        let (keys, rules): (Vec<_>, Vec<_>) = std::mem::take(&mut new.rules).into_iter().partition(is_key);
        new.rules = rules;
        if keys.len() > 1 {
            return Err(several_keys(&new.name.name));
        }
        if let Some(NewRule { name, what: What::PrimaryKey(names) }) = keys.into_iter().next() {
            (new.key, new.key_named) = (key_columns(&new.columns, &names)?, name);
        }
        for k in &new.key {
            new.columns[*k].nullable = false;
        }
        if new.kind == RelationKind::Stream {
            refuse_rules_of_stream(&new.key, &new.rules)?;
        }
        if new.temporary.is_some() && !liked.indexes.is_empty() {
            return Err(Error::unsupported("a temporary table has no indexes but those of its constraints")
                .hint("Leave INCLUDING INDEXES out, and name what is unique behind the columns."));
        }
        Ok(liked)
    }

    /// What one LIKE is for.
    fn take(&self, like: &Like, new: &mut NewRelation, liked: &mut Liked) -> Result<()> {
        let relation = self.likable(&like.relation)?;
        self.may(Privileges::SELECT, &relation)?;
        let taken = like.taken;
        for column in &relation.columns {
            let identity = column.identity.filter(|_| taken.identity);
            if let Some(sequence) = identity.and_then(|_| self.sequence_of_column(&relation, column)) {
                new.numbered.push((new.columns.len(), options_of(&sequence)?));
            }
            let default = column.default.as_ref().filter(|_| taken.defaults);
            let default = default.map(|kept| self.whole_expression(kept)).transpose()?;
            let generated = column.generated.as_ref().filter(|_| taken.generated);
            let generated = generated.map(|kept| self.whole_expression(kept)).transpose()?;
            new.columns.push(Column { default, identity, generated, ..column.clone() });
        }
        if taken.indexes && !relation.key.is_empty() {
            new.rules.push(NewRule { name: None, what: What::PrimaryKey(key_names(&relation)) });
        }
        for constraint in &relation.constraints {
            match &constraint.rule {
                Rule::Check(kept) if taken.constraints => {
                    let sql = unqualified(&relation, &self.whole_expression(kept)?)?;
                    new.rules.push(NewRule { name: Some(constraint.name.clone()), what: What::Check { sql } });
                }
                Rule::Unique(columns) if taken.indexes => {
                    new.rules.push(NewRule { name: None, what: What::Unique(columns.clone()) });
                }
                _ => {}
            }
        }
        for index in relation.indexes.iter().filter(|_| taken.indexes) {
            let mut index = index.clone();
            for text in index.texts_mut() {
                *text = self.whole_expression(text)?;
            }
            liked.indexes.push(index);
        }
        if taken.comments {
            liked.comments.extend(relation.comments.columns.clone());
        }
        Ok(())
    }

    /// A relation whose columns another one may have. Errors: 42P01, 3F000, 42809 for a sequence, 0A000 for a system relation.
    fn likable(&self, name: &Name) -> Result<Arc<Relation>> {
        let scope = self.scope();
        if let Some(schema) = name.schema.as_ref().filter(|schema| SYSTEM_NAMESPACES.iter().any(|(_, of)| *of == schema.as_str())) {
            return Err(Error::unsupported(format!("LIKE a relation of schema \"{schema}\" is not supported"))
                .hint(format!("Write CREATE TABLE name AS SELECT * FROM {} WITH NO DATA.", name.in_sql())));
        }
        if scope.find(name).is_none() && scope.sequence(name).is_some() {
            return Err(Error::new(code::WRONG_OBJECT_TYPE, format!("relation \"{name}\" is invalid in LIKE clause"))
                .detail("This operation is not supported for sequences."));
        }
        Ok(scope.known(name)?.clone())
    }
}

/// The options of a sequence that counts as another does, from its beginning.
fn options_of(sequence: &Sequence) -> Result<SequenceOptions> {
    Ok(SequenceOptions {
        ty: Some(PgType::parse(&sequence.ty)?),
        start: Some(sequence.start),
        increment: Some(sequence.increment),
        min: Some(sequence.min),
        max: Some(sequence.max),
        cycle: Some(sequence.cycle),
        ..SequenceOptions::default()
    })
}
