//! COMMENT ON: a change of the catalog like any other definition.

use std::sync::Arc;

use super::grants::known_sequence;
use super::policies::policy_of;
use super::session::Session;
use super::triggers::known_trigger;
use crate::catalog::{BOOTSTRAP, Catalog, Change, Name, Numbered, Relation, RelationKind, SYSTEM_NAMESPACES, Scope, Subject, TypeKind};
use crate::error::{Error, Result, code};
use crate::serve::system::keys::{constraints, indexes};
use crate::sql::CommentOn;

impl Session {
    /// Puts a comment on something, or takes it away. Errors: 42P01, 42703, 42809, 42883, 3F000, 3D000 for what is not there or is something else.
    pub(super) async fn comment(&mut self, on: &CommentOn, text: Option<&str>) -> Result<()> {
        let catalog = self.define().await?;
        let scope = self.scope();
        let database = self.context.get().database.clone();
        let subject = match on {
            CommentOn::Relation { kind, name } => {
                let relation = scope.known(name)?;
                // Clients see streams as tables, and so say TABLE.
                let as_table = matches!(relation.kind, RelationKind::Stream | RelationKind::Partition);
                let fits = relation.kind == *kind || *kind == RelationKind::Table && as_table;
                if !fits {
                    let error = Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a {}", kind.word()));
                    return Err(error.hint(format!("Write COMMENT ON {}.", relation.kind.word().to_uppercase())));
                }
                self.must_own(relation)?;
                Subject::Relation(relation.id)
            }
            CommentOn::Column { relation, column } => {
                let relation = scope.known(relation)?;
                relation.column(column)?;
                self.must_own(relation)?;
                Subject::Column(relation.id, column.clone())
            }
            CommentOn::Trigger { name, table } => {
                let relation = scope.known(table)?;
                self.must_own(relation)?;
                known_trigger(relation, name)?;
                Subject::Trigger(relation.id, name.clone())
            }
            CommentOn::Policy { name, table } => {
                let relation = scope.known(table)?;
                self.must_own(relation)?;
                self.refuse_of_temporary(relation)?;
                Subject::Numbered(Numbered::Policy(policy_of(relation, name)?.id))
            }
            CommentOn::Index(name) => {
                let (oid, relation) = index(&scope, name)?;
                self.must_own(&relation)?;
                self.refuse_of_temporary(&relation)?;
                Subject::Numbered(Numbered::Index(oid))
            }
            CommentOn::Sequence(name) => {
                let sequence = known_sequence(&scope, name)?;
                self.must_own_sequence(sequence)?;
                Subject::Numbered(Numbered::Sequence(sequence.id))
            }
            CommentOn::Constraint { name, of, domain: true } => {
                let ty = scope.get_type(of)?;
                self.must_own_type(ty)?;
                let checks = if let TypeKind::Domain(domain) = &ty.what { domain.checks.as_slice() } else { &[] };
                let check = checks.iter().find(|check| check.name == *name);
                let absent = || Error::new(code::UNDEFINED_OBJECT, format!("constraint \"{name}\" for domain {of} does not exist"));
                Subject::Numbered(Numbered::Constraint(check.ok_or_else(absent)?.id))
            }
            CommentOn::Constraint { name, of, domain: false } => {
                let relation = scope.known(of)?;
                self.must_own(relation)?;
                self.refuse_of_temporary(relation)?;
                let of_table = constraints(&scope).into_iter().find(|c| c.relation.id == relation.id && c.name == *name);
                let absent = || Error::new(code::UNDEFINED_OBJECT, format!("constraint \"{name}\" for table \"{of}\" does not exist"));
                Subject::Numbered(Numbered::Constraint(of_table.ok_or_else(absent)?.oid))
            }
            CommentOn::Role(role) => {
                let role = self.role_id(role)?;
                self.may_describe(role)?;
                Subject::Numbered(Numbered::Role(role))
            }
            CommentOn::Type(name) => {
                let ty = scope.get_type(name)?;
                self.must_own_type(ty)?;
                Subject::Type(ty.id)
            }
            CommentOn::Function(word, signature) => {
                let function = self.known_function(*word, signature)?;
                self.must_own_function(&function)?;
                Subject::Function(function.id)
            }
            CommentOn::Schema(name) if SYSTEM_NAMESPACES.iter().any(|s| s.1 == name) => {
                let error = Error::unsupported(format!("schema \"{name}\" cannot have a comment"));
                return Err(error.hint("It is a system schema; comment on schemas of your own."));
            }
            CommentOn::Schema(name) => {
                self.must_own_schema(catalog.get_namespace(name)?)?;
                Subject::Schema(name.clone())
            }
            CommentOn::Database(name) if *name == database => {
                if !self.authority.has_role(BOOTSTRAP) {
                    return Err(Error::new(code::INSUFFICIENT_PRIVILEGE, format!("must be owner of database {name}")));
                }
                Subject::Database
            }
            CommentOn::Database(name) => {
                let error = Error::new(code::INVALID_CATALOG_NAME, format!("database \"{name}\" does not exist"));
                return Err(error.hint(format!("The database is called \"{database}\" here.")));
            }
        };
        let text = text.map(String::from);
        if let Subject::Relation(id) | Subject::Column(id, _) = &subject
            && let Some(table) = self.temporary_tables().iter().find(|t| t.relation.id == *id)
        {
            let mut relation = table.relation.as_ref().clone();
            relation.comments.put(if let Subject::Column(_, column) = &subject { Some(column.as_str()) } else { None }, text);
            return self.replace_temporary(*id, relation);
        }
        self.stage(Change::Comment(subject, text), vec![])
    }
    /// Errors: 0A000 for what goes with a temporary table, of which the catalog knows nothing.
    fn refuse_of_temporary(&self, relation: &Relation) -> Result<()> {
        if !self.is_temporary(relation.id) {
            return Ok(());
        }
        Err(Error::unsupported("indexes, constraints and policies of temporary tables have no comments").hint("Comment on the table."))
    }
}

/// The number of an index, and what it is of. Errors: 42P01, 42809.
fn index(scope: &Scope, name: &Name) -> Result<(u32, Arc<Relation>)> {
    let catalog: &Catalog = scope;
    let all = indexes(catalog);
    let found = scope.look_up(name, |namespace| all.iter().find(|i| i.relation.namespace == namespace && i.index.name == name.name));
    match found {
        Some(entry) => Ok((entry.oid, entry.relation.clone())),
        None => {
            scope.known(name)?;
            Err(Error::new(code::WRONG_OBJECT_TYPE, format!("\"{name}\" is not an index")))
        }
    }
}
