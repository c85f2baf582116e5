//! COMMENT ON: a change of the catalog like any other definition.

use super::session::Session;
use super::triggers::known_trigger;
use crate::catalog::{Change, RelationKind, SYSTEM_NAMESPACES, Subject};
use crate::error::{Error, Result, code};
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
                let fits = relation.kind == *kind || (*kind, relation.kind) == (RelationKind::Table, RelationKind::Stream);
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
            CommentOn::Database(name) if *name == database => Subject::Database,
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
}
