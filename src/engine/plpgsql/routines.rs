//! Functions and procedures that outlive their session and run when they are called: into the catalog and back.
//!
//! The catalog keeps the source, and the head with its types looked up. The source was read when the routine was made, so that what is no
//! PL/pgSQL or SQL is refused at once; names in it are looked up when it runs. A session reads each once ([`Session::routine`]).

use std::sync::Arc;

use sqlparser::ast;

use super::frame::Holds;
use super::{Function as Written, unsupported};
use crate::catalog::{Answers, Catalog, Column, Function, Mode, Name, NamespaceId, PUBLIC_NAMESPACE, Relation, Routine, RoutineKind};
use crate::data::PgType;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::plan::inline;
use crate::sql::parse::{routine_body, written_expression};
use crate::sql::plpgsql::{Body, Parameter, Returns, TypeName};
use crate::sql::respell;
use crate::sql::statement::{NamedType, SqlType, Statement};

/// How many routines a session keeps as they were read.
const READ_MAX: usize = 256;

impl Session {
    /// True for a definition that the catalog keeps as a query: it is one, and nothing of it has to run.
    pub(super) fn is_query(&self, written: &Written) -> Result<bool> {
        let Some(query) = query_of(written) else { return Ok(false) };
        if written.procedure || written.definer || !written.settings.is_empty() || matches!(written.returns.ty, Some(TypeName::Void)) {
            return Ok(false);
        }
        let types = written.parameters.iter().map(|parameter| &parameter.ty).chain(&written.returns.ty);
        for ty in types {
            if matches!(self.holds(ty)?, Holds::Value { domain: Some(_), .. }) {
                return Ok(false);
            }
        }
        if written.parameters.iter().any(|parameter| parameter.mode == Mode::InOut) {
            return Ok(false);
        }
        Ok(!inline::calls_routine(query, &self.scope()))
    }

    /// What a definition of a routine makes, without a number.
    pub(super) async fn routine_defined(&self, written: &Written, namespace: NamespaceId) -> Result<Function> {
        if written.source.len() > limits::FUNCTION_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, format!("{} is too long", written.name))
                .hint(format!("It may have {} bytes.", limits::FUNCTION_BYTES_MAX)));
        }
        let (outputs, answers) = self.routine_answer(written)?;
        check_last(written, &outputs, &answers)?;
        let mut inputs = Vec::new();
        for parameter in written.inputs() {
            let mut input = self.kept_column(parameter.name.as_deref().unwrap_or_default(), &parameter.ty)?;
            input.default = parameter.default.as_ref().map(ToString::to_string);
            self.keep_default(&mut input).await?;
            input.default = input.default.as_deref().map(|kept| self.whole_expression(kept)).transpose()?;
            inputs.push(input);
        }
        let routine = Routine {
            kind: written.kind(),
            language: written.language(),
            modes: written.parameters.iter().map(|parameter| parameter.mode).collect(),
            row: written.returns.ty.as_ref().and_then(|ty| self.row_relation(ty)).map(|relation| relation.id),
            definer: written.definer,
            settings: written.settings.clone(),
        };
        Ok(Function { routine: Some(routine), ..self.record(written, namespace, inputs, (outputs, answers)) })
    }

    /// What is written of a function, as the catalog keeps it, without a number, and without what it means.
    pub(super) fn record(
        &self,
        written: &Written,
        namespace: NamespaceId,
        inputs: Vec<Column>,
        (outputs, answers): (Vec<Column>, Answers),
    ) -> Function {
        Function {
            id: 0,
            name: written.name.name.clone(),
            namespace,
            owner: self.role(),
            inputs,
            variadic: written.inputs().any(|parameter| parameter.variadic),
            outputs,
            answers,
            set: written.returns.set,
            strict: written.strict,
            volatility: written.volatility,
            source: written.source.clone(),
            standard: written.standard,
            query: String::new(),
            simple: false,
            calls: vec![],
            comment: None,
            routine: None,
        }
    }

    /// The columns of the answer, and how they were declared. A trigger function has none, and a procedure those of its parameters.
    fn routine_answer(&self, written: &Written) -> Result<(Vec<Column>, Answers)> {
        if written.outputs().any(|p| self.composite_named(&p.ty).is_some()) {
            return Err(unsupported(
                "an OUT parameter of a composite type is not supported",
                "Return the type, or give its fields one by one.",
            ));
        }
        let of_parameters = written.outputs().map(|p| self.kept_column(p.name.as_deref().unwrap_or_default(), &p.ty));
        let of_parameters = of_parameters.collect::<Result<Vec<_>>>()?;
        match (&written.returns.ty, written.kind()) {
            _ if !of_parameters.is_empty() => {
                let is_table = written.returns.set && written.returns.ty.is_none();
                Ok((of_parameters, if is_table { Answers::Table } else { Answers::Out }))
            }
            (_, RoutineKind::Procedure | RoutineKind::Trigger) | (None, _) => Ok((vec![], Answers::Value)),
            (Some(ty), RoutineKind::Function) => match self.holds(ty)? {
                Holds::Row { columns, .. } => {
                    let of_relation = || self.row_relation(ty).map(|relation| whole_name(&self.catalog(), &relation).in_sql());
                    let name = self.composite_answer(ty).or_else(of_relation);
                    let name = name.ok_or_else(|| unsupported("a function that returns any row is not supported", "Name its columns."))?;
                    Ok((columns.into_iter().map(|(name, ty)| Column::new(name, ty)).collect(), Answers::Row(name)))
                }
                Holds::Value { .. } => Ok((vec![self.kept_column("", ty)?], Answers::Value)),
            },
        }
    }

    /// The relation whose rows a type is.
    fn row_relation(&self, ty: &TypeName) -> Option<Arc<Relation>> {
        let name = match ty {
            TypeName::Row(name) => name,
            TypeName::Named(SqlType::Named(named)) => &named.name,
            _ => return None,
        };
        self.scope().find(name).filter(|_| matches!(self.holds(ty), Ok(Holds::Row { .. }))).cloned()
    }

    /// A parameter or an answer as the catalog keeps it. Errors: 0A000 for the type of a relation's row.
    fn kept_column(&self, name: &str, ty: &TypeName) -> Result<Column> {
        if let Some(ty) = self.composite_value(ty) {
            return Ok(Column::new(name.to_string(), ty));
        }
        match self.holds(ty)? {
            Holds::Value { cell, domain: None } => Ok(Column::new(name.to_string(), super::lasting::without_length(cell.ty))),
            Holds::Value { cell, domain: Some(domain) } => {
                let domain = Some(self.scope().get_type(&domain)?.id);
                Ok(Column { domain, ..Column::new(name.to_string(), cell.ty) })
            }
            Holds::Row { .. } => Err(unsupported("a parameter that is a row is not supported", "Give its fields one by one.")),
        }
    }

    /// A routine of the catalog as a definition has it, its body read. Errors: those of a source that was read before, in an older version.
    pub(in crate::engine) fn routine(&self, kept: &Arc<Function>) -> Result<Arc<Written>> {
        let mut read = self.routines.lock();
        if let Some((_, written)) = read.get(&kept.id).filter(|(of, _)| Arc::ptr_eq(of, kept)) {
            return Ok(written.clone());
        }
        let written = Arc::new(written(&self.catalog(), kept)?);
        // A domain or a relation may have another name the next time.
        let of_names = kept.inputs.iter().chain(&kept.outputs).any(|column| column.domain.is_some());
        if !of_names && !matches!(kept.answers, Answers::Row(_)) {
            if read.len() >= READ_MAX {
                read.clear();
            }
            read.insert(kept.id, (kept.clone(), written.clone()));
        }
        Ok(written)
    }
}

/// Errors: 42P13 for a body in SQL that is to answer something, and whose last statement does not.
fn check_last(written: &Written, outputs: &[Column], answers: &Answers) -> Result<()> {
    let Body::Sql(statements) = &written.body else { return Ok(()) };
    let nothing = outputs.is_empty() || matches!(written.returns.ty, Some(TypeName::Void));
    if nothing || statements.last().is_some_and(|last| answers_rows(&last.statement)) {
        return Ok(());
    }
    let declared = match answers {
        Answers::Row(name) => name.clone(),
        Answers::Value => outputs[0].ty.to_string(),
        Answers::Out | Answers::Table if outputs.len() == 1 => outputs[0].ty.to_string(),
        Answers::Out | Answers::Table => "record".into(),
    };
    let message = format!("return type mismatch in function declared to return {declared}");
    Err(Error::new(code::INVALID_FUNCTION_DEFINITION, message)
        .detail("Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.")
        .context(format!("SQL function \"{}\"", written.name.name)))
}

/// True for a statement that has rows.
fn answers_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Query(_) | Statement::Locking { .. } => true,
        Statement::Insert { returning, .. } => returning.is_some(),
        Statement::Update(change) | Statement::Delete(change) => change.returning.is_some(),
        Statement::WithChanges { then, .. } => answers_rows(then),
        _ => false,
    }
}

/// The query that a body is, if it is one and nothing else.
pub(super) fn query_of(written: &Written) -> Option<&ast::Query> {
    let Body::Sql(statements) = &written.body else { return None };
    match statements.as_slice() {
        [one] => match one.statement.as_ref() {
            Statement::Query(query) => Some(query),
            _ => None,
        },
        _ => None,
    }
}

/// A routine of the catalog as its definition had it.
fn written(catalog: &Catalog, kept: &Function) -> Result<Written> {
    let routine = kept.routine.as_ref().ok_or_else(|| Error::internal("a query is expanded, and does not run"))?;
    let mut parameters = Vec::new();
    let last = kept.inputs.last().filter(|_| kept.variadic);
    for (mode, column) in kept.parameters() {
        let default = column.default.as_deref().filter(|_| mode != Mode::Out).map(written_expression).transpose()?;
        let name = Some(column.name.clone()).filter(|name| !name.is_empty());
        let variadic = last.is_some_and(|last| std::ptr::eq(last, column));
        parameters.push(Parameter { mode, name, ty: type_of(catalog, column), default, variadic });
    }
    let ty = match (&kept.answers, kept.outputs.first()) {
        _ if routine.kind == RoutineKind::Trigger => Some(TypeName::Trigger),
        (Answers::Out | Answers::Table, _) => None,
        (Answers::Row(name), _) => {
            let known = routine.row.and_then(|id| catalog.by_id(id)).map(|relation| whole_name(catalog, relation));
            let name = known.or_else(|| respell::read_name(name)).ok_or_else(|| Error::internal("a relation has a name"))?;
            Some(TypeName::Row(name))
        }
        (Answers::Value, Some(column)) => Some(type_of(catalog, column)),
        (Answers::Value, None) => Some(TypeName::Void),
    };
    let schema = catalog.namespace_name(kept.namespace);
    Ok(Written {
        name: if kept.namespace == PUBLIC_NAMESPACE { Name::bare(&kept.name) } else { Name::qualified(schema, &kept.name) },
        procedure: routine.kind == RoutineKind::Procedure,
        parameters,
        returns: Returns { set: kept.set, ty },
        strict: kept.strict,
        volatility: kept.volatility,
        definer: routine.definer,
        settings: routine.settings.clone(),
        owner: Some(kept.owner),
        body: routine_body(routine.language, &kept.source, kept.standard)?,
        source: kept.source.clone(),
        standard: kept.standard,
    })
}

/// The name of a relation with its schema.
fn whole_name(catalog: &Catalog, relation: &Relation) -> Name {
    Name::qualified(catalog.namespace_name(relation.namespace), &relation.name)
}

/// The type of a parameter or an answer.
fn type_of(catalog: &Catalog, column: &Column) -> TypeName {
    match column.domain.and_then(|id| catalog.user_type(id)) {
        Some(domain) => TypeName::Named(SqlType::Named(NamedType { name: catalog.name_of_type(domain), array: false })),
        None if column.ty == PgType::Void => TypeName::Void,
        None => TypeName::Named(SqlType::Known(column.ty.clone())),
    }
}
