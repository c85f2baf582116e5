//! DROP OWNED BY: drops what roles own, and takes back what they were granted and have granted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::session::Session;
use crate::catalog::{Catalog, Change, Granted, Namespace, Object, Relation, RelationId, RoleChange, RoleId, Sequence, UserType, told};
use crate::error::{Error, Result, code};
use crate::sql::roles::RoleName;

impl Session {
    /// Errors: 2BP01 for what others depend on, without `cascade`; 0A000 for relations of ksqlDB's dialect, whose queries are ended by that
    /// dialect's statements.
    pub(super) async fn drop_owned(&mut self, names: &[RoleName], cascade: bool) -> Result<()> {
        let gone = self.owned(names, "drop objects")?;
        let catalog = self.catalog();
        let schemas: Vec<Arc<Namespace>> = catalog.namespaces().filter(|n| gone.contains(&n.owner)).cloned().collect();
        let relations = catalog.relations().filter(|r| gone.contains(&r.owner) && !self.is_temporary(r.id)).map(|r| r.id).collect();
        let sequences: Vec<Arc<Sequence>> =
            catalog.sequences.iter().filter(|s| s.owner.is_none() && gone.contains(&s.role)).cloned().collect();
        self.drop_all(&catalog, &relations, cascade).await?;
        for sequence in sequences {
            self.drop_sequence(&sequence, cascade)?;
        }
        let functions: Vec<_> = catalog.functions().filter(|f| gone.contains(&f.owner)).cloned().collect();
        for function in functions {
            let catalog = self.catalog();
            // It may have gone with another that it calls.
            if catalog.function(function.id).is_some() {
                self.drop_with_users(&catalog, &function, cascade)?;
            }
        }
        let types: Vec<Arc<UserType>> = catalog.user_types().filter(|t| gone.contains(&t.owner)).cloned().collect();
        let users = self.users_of(&self.catalog(), &types, cascade)?;
        self.tell_cascade(&users);
        self.drop_users(&self.catalog(), &types).await?;
        types.iter().try_for_each(|ty| self.stage(Change::DropUserType(ty.id), vec![]))?;
        self.drop_contents(&self.catalog(), &schemas, cascade).await?;
        schemas.iter().try_for_each(|schema| self.stage(Change::DropSchema(schema.id), vec![]))?;
        self.take_back(&gone)
    }

    /// Drops relations, and with `cascade` what depends on them.
    async fn drop_all(&mut self, catalog: &Catalog, relations: &BTreeSet<RelationId>, cascade: bool) -> Result<()> {
        let all: BTreeSet<RelationId> = relations.iter().flat_map(|id| catalog.with_dependents(*id)).collect();
        let others: Vec<&Arc<Relation>> = all.difference(relations).filter_map(|id| catalog.by_id(*id)).collect();
        if let Some(ksql) = all.iter().filter_map(|id| catalog.by_id(*id)).find(|r| r.ksql.is_some()) {
            return Err(Error::unsupported(format!("{} was made in ksqlDB's dialect and is not dropped with others", told(catalog, ksql)))
                .hint("TERMINATE its queries and DROP it by itself first."));
        }
        if !others.is_empty() && !cascade {
            let on = |r: &Relation| r.depends_on.iter().filter_map(|id| catalog.by_id(*id)).find(|on| all.contains(&on.id));
            let depends =
                |r: &&Arc<Relation>| format!("{} depends on {}", told(catalog, r), on(r).map_or(String::new(), |on| told(catalog, on)));
            let message = "cannot drop desired object(s) because other objects depend on them";
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(others.iter().map(depends).collect::<Vec<_>>().join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        self.tell_cascade(&others.iter().map(|r| format!("drop cascades to {}", told(catalog, r))).collect::<Vec<_>>());
        if all.is_empty() {
            return Ok(());
        }
        self.empty_dropped(catalog, &all).await?;
        self.drop_references(catalog, &all, cascade)?;
        self.drop_policies_naming(&all, cascade)?;
        self.stage(Change::Drop(catalog.dependents_first(&all)), vec![])?;
        self.defaults_have_changed(catalog, &all).await
    }

    /// Takes back what roles were granted and have granted.
    fn take_back(&mut self, gone: &BTreeSet<RoleId>) -> Result<()> {
        let catalog = self.catalog();
        let grants = catalog.roles().grants().filter(|(_, grantee, grantor, _)| gone.contains(grantee) || gone.contains(grantor));
        let none = |(object, grantee, grantor, _): (&Object, RoleId, RoleId, &Granted)| RoleChange::Grant {
            object: object.clone(),
            grantee,
            grantor,
            granted: Granted::default(),
        };
        let mut changes: Vec<RoleChange> = grants.map(none).collect();
        changes.extend(self.without_defaults(gone));
        self.take_from_policies(gone)?;
        self.change_roles(changes)
    }
}
