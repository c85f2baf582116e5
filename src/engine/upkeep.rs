//! ANALYZE, VACUUM, REINDEX and CLUSTER: there is nothing to do, but what is named has to be there, and warnings tell what PostgreSQL would
//! pass over.

use super::privileges::must_be_owner;
use super::session::{Response, Session};
use crate::catalog::{FIRST_RELATION, Name, Relation, RelationKind};
use crate::error::{Error, Result, code};
use crate::serve::system::names::Reg;

impl Session {
    /// Errors: 42P01 and 42703 for what is not there.
    pub(super) fn upkeep(&mut self, tag: &str, tables: &[(Name, Vec<String>)]) -> Result<Response> {
        let (scope, verb) = (self.scope(), tag.to_lowercase());
        for (name, columns) in tables {
            let oid = Reg::Class.read(&self.context.get(), &name.in_sql())?;
            let relation = scope.by_id(oid).map(|relation| &**relation);
            if let Some(why) = self.passed_over(oid, relation, &verb) {
                self.notice("WARNING", Error::new(code::WARNING, format!("skipping \"{}\" --- {why}", name.name)));
            } else if let Some(relation) = relation {
                columns.iter().try_for_each(|column| relation.column(column).map(drop))?;
            }
        }
        Ok(Response::Done(tag.into()))
    }

    /// Errors: 42P01 for what REINDEX or CLUSTER names and is not there, 42501 for a table of another role.
    pub(super) fn may_keep_up(&self, named: &[Name]) -> Result<()> {
        let scope = self.scope();
        for name in named {
            let oid = Reg::Class.read(&self.context.get(), &name.in_sql())?;
            if let Some(relation) = scope.by_id(oid).filter(|relation| !self.authority.has_role(relation.owner)) {
                return Err(must_be_owner(relation));
            }
        }
        Ok(())
    }

    /// Why PostgreSQL would pass over what has that object id, if it would.
    fn passed_over(&self, oid: u32, relation: Option<&Relation>, verb: &str) -> Option<String> {
        match relation {
            Some(relation) if relation.kind == RelationKind::View => Some(format!("cannot {verb} non-tables or special system tables")),
            Some(relation) if !self.authority.has_role(relation.owner) => Some(format!("only table or database owner can {verb} it")),
            // Indexes and sequences.
            None if oid >= FIRST_RELATION => Some(format!("cannot {verb} non-tables or special system tables")),
            None if !self.authority.superuser => Some(format!("only superuser can {verb} it")),
            _ => None,
        }
    }
}
