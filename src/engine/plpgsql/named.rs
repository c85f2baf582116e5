//! Functions and procedures that outlive their session, as statements name them: DROP, ALTER, COMMENT and GRANT.

use std::sync::Arc;

use sqlparser::ast;

use super::lasting::without_length;
use crate::catalog::{Change, Function, Object, RoutineKind, listed};
use crate::data::PgType;
use crate::engine::schemas::users_schema;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::sql::convert::sql_type;
use crate::sql::roles::RoleName;
use crate::sql::statement::{RoutineAttributes, RoutineChange, RoutineWord, Signature};

impl Session {
    /// The types of parameters where a statement tells them.
    fn types_told(&self, types: Option<&[ast::DataType]>) -> Result<Option<Vec<PgType>>> {
        let Some(types) = types else { return Ok(None) };
        types.iter().map(|ty| self.type_named(&sql_type(ty)?).map(without_length)).collect::<Result<Vec<_>>>().map(Some)
    }

    /// What a statement names, if it is there. Errors: 42725 for a name that several have, 42809 for what is of the other kind.
    fn find_function(&self, word: RoutineWord, (name, types): &Signature) -> Result<Option<Arc<Function>>> {
        let scope = self.scope();
        let types = self.types_told(types.as_deref())?;
        let of_types = |f: &Function| match &types {
            Some(types) => f.types() == *types || f.kind() == RoutineKind::Procedure && all_types(f) == *types,
            None => word.is_of(f.kind()),
        };
        let mut found: Vec<Arc<Function>> = scope.functions_named(name).filter(|f| of_types(f)).cloned().collect();
        let first = found.first().map(|f| f.namespace);
        found.retain(|f| Some(f.namespace) == first);
        match found.as_slice() {
            [] => Ok(None),
            [one] if word.is_of(one.kind()) => Ok(Some(one.clone())),
            [one] => Err(Error::new(code::WRONG_OBJECT_TYPE, format!("{name}({}) is not a {}", listed(&one.types(), ", "), word.word()))),
            _ => Err(Error::new(code::AMBIGUOUS_FUNCTION, format!("{} name \"{name}\" is not unique", spoken(word)))
                .hint("Specify the argument list to select the function unambiguously.")),
        }
    }

    /// The function that COMMENT, GRANT and ALTER name. Errors: 42883, 42725, 42809.
    pub(in crate::engine) fn known_function(&self, word: RoutineWord, signature: &Signature) -> Result<Arc<Function>> {
        let found = self.find_function(word, signature)?;
        let (name, types) = signature;
        let types = self.types_told(types.as_deref())?;
        let unknown = || match &types {
            Some(types) => format!("{} {name}({}) does not exist", spoken(word), listed(types, ", ")),
            None => format!("could not find a {} named \"{name}\"", spoken(word)),
        };
        found.ok_or_else(|| Error::new(code::UNDEFINED_FUNCTION, unknown()))
    }

    /// DROP of one that lasts. Errors: 42883, unless `if_exists`; 42725 for a name that several have; 42809; 42501; 2BP01 without `cascade`
    /// for one that views and other functions were expanded of.
    pub(super) async fn drop_lasting(&mut self, word: RoutineWord, signature: &Signature, if_exists: bool, cascade: bool) -> Result<()> {
        let catalog = self.define().await?;
        if if_exists && self.find_function(word, signature)?.is_none() {
            let (name, types) = signature;
            let shown = listed(self.types_told(types.as_deref())?.as_deref().unwrap_or_default(), ",");
            let message = format!("{} {name}({shown}) does not exist, skipping", word.word());
            self.notice("NOTICE", Error::new(code::SUCCESS, message));
            return Ok(());
        }
        let function = self.known_function(word, signature)?;
        self.must_own_function(&function)?;
        self.drop_with_users(&catalog, &function, cascade)
    }

    /// ALTER FUNCTION and its kin. Errors: 42883, 42725, 42809, 42501, 3F000; 42723 where one of the name and the types is there already.
    pub(in crate::engine) async fn alter_function(
        &mut self,
        word: RoutineWord,
        signature: &Signature,
        change: &RoutineChange,
    ) -> Result<()> {
        let catalog = self.define().await?;
        let function = self.known_function(word, signature)?.as_ref().clone();
        self.must_own_function(&function)?;
        let changed = match change {
            RoutineChange::Rename(name) => Function { name: name.clone(), ..function.clone() },
            RoutineChange::SetSchema(schema) => {
                let namespace = users_schema(&catalog, schema)?.id;
                if namespace == function.namespace {
                    return Ok(());
                }
                self.may_create_in(namespace)?;
                Function { namespace, ..function.clone() }
            }
            RoutineChange::Own(owner) => return self.own_function(function, owner),
            RoutineChange::Attributes(attributes) => return self.alter_attributes(function, attributes).await,
        };
        if catalog.functions_in(changed.namespace, &changed.name).any(|f| f.types() == changed.types()) {
            let (name, types) = (&changed.name, listed(&changed.types(), ", "));
            let message = format!(
                "{} {name}({types}) already exists in schema \"{}\"",
                function.kind().word(),
                catalog.namespace_name(changed.namespace)
            );
            return Err(Error::new("42723", message));
        }
        self.stage(Change::PutFunction(changed), vec![])
    }

    /// Changes how a routine is called and run. Errors: 0A000 for one that is expanded where it is called, those of settings.
    async fn alter_attributes(&mut self, mut function: Function, attributes: &RoutineAttributes) -> Result<()> {
        let RoutineAttributes { volatility, strict, definer, resets, settings, unset } = attributes;
        function.volatility = volatility.unwrap_or(function.volatility);
        let runs_otherwise = strict.is_some() || *definer == Some(true) || !settings.is_empty();
        match &mut function.routine {
            None if runs_otherwise => {
                return Err(Error::unsupported(format!("this ALTER of {} is not supported: its calls are expanded", function.name))
                    .hint("CREATE OR REPLACE FUNCTION gives it anew."));
            }
            None => {}
            Some(routine) => {
                function.strict = strict.unwrap_or(function.strict);
                routine.definer = definer.unwrap_or(routine.definer);
                let goes = |name: &String| *resets || unset.contains(name) || settings.iter().any(|(set, _)| set == name);
                routine.settings.retain(|(name, _)| !goes(name));
                routine.settings.extend(settings.iter().cloned());
                // What SET says is tried.
                let written = self.routine(&Arc::new(function.clone()))?;
                self.under(&written, async |_| Ok(())).await?;
            }
        }
        self.stage(Change::PutFunction(function), vec![])
    }

    fn own_function(&mut self, function: Function, owner: &RoleName) -> Result<()> {
        let owner = self.role_id(owner)?;
        let (id, old) = (function.id, function.owner);
        if owner == old {
            return Ok(());
        }
        self.may_stand_in_for(owner)?;
        self.may_create_in(function.namespace)?;
        self.stage_rights(Change::PutFunction(Function { owner, ..function }))?;
        self.regrant(&Object::Function(id), old, owner)
    }
}

/// The types of all parameters.
fn all_types(function: &Function) -> Vec<PgType> {
    match function.kind() {
        RoutineKind::Procedure => function.parameters().into_iter().map(|(_, column)| column.ty.clone()).collect(),
        _ => function.types(),
    }
}

/// What messages of missing ones say: PostgreSQL's look for a function where ROUTINE was said.
fn spoken(word: RoutineWord) -> &'static str {
    match word {
        RoutineWord::Procedure => "procedure",
        RoutineWord::Function | RoutineWord::Routine => "function",
    }
}
