//! Functions of a session: CREATE and DROP FUNCTION, and what a call of one answers. Those that outlive it are [`super::lasting`].

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema};
use sqlparser::ast::{Expr, FunctionArg};

use super::composites::{fields_of, is_row};
use super::frame::{Frame, Holds, Place, Variable};
use super::queries::{Answer, Outcome};
use super::run::Run;
use super::{Cell, Functions, deep, unsupported};
use crate::catalog::{Function as Record, Name, TEMPORARY_NAME};
use crate::data::PgType;
use crate::data::datetime::Reading;
use crate::data::decode::ColumnBuilder;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::plan::overloads::Typing;
use crate::sql::convert::sql_type;
use crate::sql::fold_name;
use crate::sql::plpgsql::{Body, Conflict, Embedded, Expression, Function, Mode, Rows, TypeName};
use crate::sql::statement::{RoutineWord, Signature};

/// A column of what a function answers, and what it holds where that is NULL.
pub(super) struct Output {
    pub name: String,
    pub holds: Holds,
}

impl Session {
    /// The functions of the session, as it sees them now.
    pub(in crate::engine) fn functions(&self) -> &Functions {
        self.transaction.as_ref().map_or(&self.temporary.functions, |t| &t.functions)
    }

    fn functions_mut(&mut self) -> &mut Functions {
        match &mut self.transaction {
            Some(transaction) => &mut transaction.functions,
            None => &mut self.temporary.functions,
        }
    }

    /// CREATE FUNCTION. Errors: those of [`Session::create_lasting`] for one that is to outlive the session; 42723 for one that there is, 42704
    /// for types.
    pub(in crate::engine) async fn create_function(&mut self, function: &Function, replace: bool) -> Result<()> {
        if function.name.schema.as_deref() != Some(TEMPORARY_NAME) {
            return self.create_lasting(function, replace).await;
        }
        let varies = function.parameters.iter().any(|p| p.variadic);
        let fires = matches!(function.returns.ty, Some(TypeName::Trigger));
        if function.procedure || function.definer || !function.settings.is_empty() || varies || fires {
            let what = "a procedure, a trigger function, VARIADIC, SECURITY DEFINER and SET in a session's functions are not supported";
            return Err(unsupported(what, "Make it in another schema than pg_temp."));
        }
        self.outputs(function)?;
        let inputs = self.input_types(function)?;
        let alike = self.functions().iter().position(|f| f.name == function.name && f.inputs().count() == inputs.len());
        if let Some(i) = alike {
            let same = self.input_types(&self.functions()[i].clone())? == inputs;
            if !same {
                return Err(unsupported(
                    &format!("another function {} of as many parameters is not supported", function.name),
                    "Give it another name.",
                ));
            }
            if !replace {
                let message = format!("function \"{}\" already exists with same argument types", function.name.name);
                return Err(Error::new("42723", message));
            }
            self.functions_mut().remove(i);
        }
        self.functions_mut().push(Arc::new(function.clone()));
        Ok(())
    }

    /// DROP FUNCTION. Errors: 42883, unless `if_exists`; 42725 for a name that several have; those of [`Session::drop_lasting`].
    pub(in crate::engine) async fn drop_functions(
        &mut self,
        word: RoutineWord,
        names: &[Signature],
        if_exists: bool,
        cascade: bool,
    ) -> Result<()> {
        for signature in names {
            let (name, types) = signature;
            if name.schema.as_deref() != Some(TEMPORARY_NAME) {
                self.drop_lasting(word, signature, if_exists, cascade).await?;
                continue;
            }
            let types = types
                .as_ref()
                .map(|types| types.iter().map(|ty| self.type_named(&sql_type(ty)?)).collect::<Result<Vec<_>>>())
                .transpose()?;
            let mut fitting = Vec::new();
            for (i, function) in self.functions().iter().enumerate().filter(|(_, f)| f.name == *name) {
                if types.is_none() || types == Some(self.input_types(function)?) {
                    fitting.push(i);
                }
            }
            let shown =
                types.map_or(String::new(), |types| format!("({})", types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
            match fitting[..] {
                [i] => drop(self.functions_mut().remove(i)),
                [] if if_exists => {
                    let message = format!("function {name}{shown} does not exist, skipping");
                    self.notice("NOTICE", Error::new(code::SUCCESS, message));
                }
                [] => return Err(Error::new(code::UNDEFINED_FUNCTION, format!("function {name}{shown} does not exist"))),
                _ => {
                    return Err(Error::new(code::AMBIGUOUS_FUNCTION, format!("function name \"{name}\" is not unique"))
                        .hint("Specify the argument list to select the function unambiguously."));
                }
            }
        }
        Ok(())
    }

    /// The types of the parameters that a call gives.
    pub(super) fn input_types(&self, function: &Function) -> Result<Vec<PgType>> {
        function.inputs().map(|parameter| self.value_type(&parameter.ty)).collect()
    }

    /// Errors: 0A000 for the type of a relation's row.
    fn value_type(&self, ty: &TypeName) -> Result<PgType> {
        if let Some(ty) = self.composite_value(ty) {
            return Ok(ty);
        }
        match self.holds(ty)? {
            Holds::Value { cell, .. } => Ok(cell.ty),
            Holds::Row { .. } => Err(unsupported("a parameter that is a row is not supported", "Give its fields one by one.")),
        }
    }

    /// The columns of what a function answers.
    pub(super) fn outputs(&self, function: &Function) -> Result<Vec<Output>> {
        let of_parameters = function.outputs().enumerate().map(|(i, parameter)| {
            let name = parameter.name.clone().unwrap_or_else(|| format!("column{}", i + 1));
            Ok(Output { name, holds: self.holds(&parameter.ty)? })
        });
        let of_parameters = of_parameters.collect::<Result<Vec<_>>>()?;
        let Some(ty) = function.returns.ty.as_ref().filter(|_| of_parameters.is_empty()) else { return Ok(of_parameters) };
        Ok(match self.holds(ty)? {
            Holds::Row { columns, .. } => columns.into_iter().map(|(name, ty)| Output { name, holds: Holds::null(ty) }).collect(),
            holds => vec![Output { name: function.name.name.clone(), holds }],
        })
    }

    /// Runs a function with values for all that a call gives. Answers n rows x its outputs.
    pub(super) async fn call(&mut self, function: &Function, inputs: Vec<Cell>) -> Result<RecordBatch> {
        let outputs = self.outputs(function)?;
        let reading = self.settings.reading();
        if function.strict && inputs.iter().any(|cell| cell.text.is_none()) {
            let nulls = outputs.iter().map(|output| output.holds.clone()).collect();
            return batch(&outputs, if function.returns.set { vec![] } else { vec![nulls] }, reading);
        }
        self.calls += 1;
        let done = deep(self.under(function, async |session| session.called(function, inputs, &outputs).await)).await;
        self.calls -= 1;
        batch(&outputs, done?, reading)
    }

    async fn called(&mut self, function: &Function, inputs: Vec<Cell>, outputs: &[Output]) -> Result<Vec<Vec<Holds>>> {
        let types: Vec<String> = inputs.iter().map(|cell| cell.ty.to_string()).collect();
        let name = format!("{}({})", function.name, types.join(","));
        let depth = self.calls;
        let mut run = Run::new(self, &name, depth)?;
        let places = run.take_parameters(function, inputs).await?;
        match &function.body {
            Body::Plpgsql(block) => {
                run.outputs = outputs.iter().map(|output| output.holds.clone()).collect();
                run.answers_row = function.returns.ty.as_ref().is_some_and(|ty| matches!(run.held(ty), Ok(Holds::Row { .. })));
                run.places.clone_from(&places);
                run.block(block).await?;
                run.answer(function, &places).await
            }
            Body::Sql(statements) => {
                // In SQL a column goes before a parameter.
                run.conflict = Conflict::Column;
                run.sql_body(function, statements, outputs).await
            }
        }
    }
}

impl Run<'_> {
    /// Makes variables of parameters. Answers where those are that the answer is made of.
    async fn take_parameters(&mut self, function: &Function, inputs: Vec<Cell>) -> Result<Vec<Place>> {
        let (mut inputs, mut outputs) = (inputs.into_iter(), Vec::new());
        for parameter in &function.parameters {
            let holds = self.held(&parameter.ty)?;
            let name = parameter.name.clone().unwrap_or_default();
            let place = self.frame.declare(Variable { name, holds, constant: false, not_null: false })?;
            if parameter.mode != Mode::Out {
                self.frame.is_input(place);
                self.assign(place, inputs.next().ok_or_else(|| Error::internal("a call gives all inputs"))?).await?;
            }
            if parameter.mode != Mode::In {
                outputs.push(place);
            }
        }
        Ok(outputs)
    }

    /// What a body in PL/pgSQL has answered. Errors: 2F005 for one that ended without RETURN.
    async fn answer(&mut self, function: &Function, places: &[Place]) -> Result<Vec<Vec<Holds>>> {
        if function.returns.set {
            return Ok(std::mem::take(&mut self.rows));
        }
        if !places.is_empty() {
            return Ok(vec![self.held_at(places)]);
        }
        match self.returned.take() {
            Some(returned) => Ok(vec![self.fitted(returned).await?]),
            None if matches!(function.returns.ty, Some(TypeName::Void)) => Ok(vec![void()]),
            None => Err(Error::new(code::FUNCTION_EXECUTED_NO_RETURN_STATEMENT, "control reached end of function without RETURN")),
        }
    }

    fn held_at(&self, places: &[Place]) -> Vec<Holds> {
        places.iter().map(|place| self.frame.variable(*place).holds.clone()).collect()
    }

    /// What RETURN gives, as the columns of the answer.
    async fn fitted(&mut self, returned: Holds) -> Result<Vec<Holds>> {
        let splits = self.outputs.len() > 1 || self.answers_row && self.outputs.len() == 1;
        let cells: Vec<Cell> = match returned {
            Holds::Value { cell, .. } if splits && cell.text.is_none() => vec![],
            Holds::Value { cell, .. } if is_row(&cell) && splits => self.fields_of_answer(cell)?,
            Holds::Value { cell, .. } => vec![cell],
            Holds::Row { columns, values, .. } => {
                let values = values.unwrap_or_else(|| vec![None; columns.len()]);
                columns.into_iter().zip(values).map(|((_, ty), text)| Cell { ty, text }).collect()
            }
        };
        if !cells.is_empty() && cells.len() != self.outputs.len() {
            return Err(Error::new(code::DATATYPE_MISMATCH, "returned record type does not match expected record type").detail(format!(
                "Number of returned columns ({}) does not match expected column count ({}).",
                cells.len(),
                self.outputs.len()
            )));
        }
        self.as_outputs(cells).await
    }

    /// The fields of a row that is answered.
    fn fields_of_answer(&self, cell: Cell) -> Result<Vec<Cell>> {
        let column = |output: &Holds| match output {
            Holds::Value { cell, .. } => (String::new(), cell.ty.clone()),
            Holds::Row { .. } => (String::new(), PgType::Record),
        };
        let columns: Vec<(String, PgType)> = self.outputs.iter().map(column).collect();
        fields_of(cell, &columns).map(Option::unwrap_or_default)
    }

    async fn as_outputs(&mut self, cells: Vec<Cell>) -> Result<Vec<Holds>> {
        let (mut cells, mut row) = (cells.into_iter(), Vec::with_capacity(self.outputs.len()));
        for output in self.outputs.clone() {
            row.push(match (output, cells.next()) {
                (Holds::Value { cell, domain }, Some(given)) => {
                    Holds::Value { cell: self.converted(given, &cell.ty, domain.as_ref()).await?, domain }
                }
                (null, None) => null,
                (Holds::Row { .. }, Some(_)) => {
                    return Err(unsupported("a column that is a row cannot be filled by RETURN QUERY", "Return its fields as columns."));
                }
            });
        }
        Ok(row)
    }

    /// RETURN NEXT: a row of the answer, of the OUT parameters where it names nothing.
    pub(super) async fn return_next(&mut self, value: Option<&Expression>) -> Result<()> {
        let row = match value {
            Some(value) => {
                let returned = self.held_value(value).await?;
                self.fitted(returned).await?
            }
            None => self.held_at(&self.places.clone()),
        };
        self.gather(row)
    }

    /// RETURN QUERY: rows of the answer. Errors: 42804 for another number of columns.
    pub(super) async fn return_query(&mut self, rows: &Rows) -> Result<()> {
        let mut answer = self.rows(rows).await?;
        if answer.columns.len() != self.outputs.len() {
            return Err(Error::new(code::DATATYPE_MISMATCH, "structure of query does not match function result type").detail(format!(
                "Number of returned columns ({}) does not match expected column count ({}).",
                answer.columns.len(),
                self.outputs.len()
            )));
        }
        let mut count = 0;
        while let Some(cells) = self.next(&mut answer).await? {
            let row = self.as_outputs(cells).await?;
            self.gather(row)?;
            count += 1;
        }
        self.row_count = count;
        self.frame.set_found(count > 0);
        Ok(())
    }

    /// Adds a row to the answer. Errors: 54000 when that grows past its limit.
    fn gather(&mut self, row: Vec<Holds>) -> Result<()> {
        let bytes = |holds: &Holds| match holds {
            Holds::Value { cell, .. } => cell.text.as_ref().map_or(0, String::len),
            Holds::Row { values, .. } => values.iter().flatten().flatten().map(String::len).sum(),
        };
        self.rows_bytes += row.iter().map(|holds| bytes(holds) + size_of::<Holds>()).sum::<usize>();
        if self.rows_bytes > limits::CURSOR_BYTES_MAX {
            return Err(Error::new(code::PROGRAM_LIMIT_EXCEEDED, "a function answers too many rows")
                .hint(format!("At most {} bytes are kept.", limits::CURSOR_BYTES_MAX)));
        }
        self.rows.push(row);
        Ok(())
    }

    /// The procedure that CALL in a body means, and its arguments: variables have their types.
    fn procedure(&self, name: &Name, arguments: &[FunctionArg]) -> Result<(Arc<Record>, Vec<Expr>)> {
        let scope = self.session.scope();
        let of_variable = |path: &[String]| self.frame.find(path).and_then(|place| self.frame.cell(place).ok()).map(|cell| cell.ty);
        self.session.procedure(&Typing::new(&scope, &[]).with_variables(&of_variable), name, arguments)
    }

    /// CALL in a body: what the procedure answers goes to the variables that stand for its OUT parameters. Errors: 42601 for what is none.
    pub(super) async fn call_procedure(&mut self, sql: &Embedded, name: &Name, arguments: &[FunctionArg]) -> Result<()> {
        let (procedure, arguments) = self.procedure(name, arguments)?;
        let mut targets = Vec::new();
        for ((_, parameter), argument) in procedure.parameters().into_iter().zip(&arguments).filter(|((mode, _), _)| *mode != Mode::In) {
            let path = match argument {
                Expr::Identifier(name) => vec![fold_name(name)],
                Expr::CompoundIdentifier(names) => names.iter().map(fold_name).collect(),
                _ => vec![],
            };
            if self.frame.find(&path).is_none() {
                let name = &parameter.name;
                let message = format!("procedure parameter \"{name}\" is an output parameter but corresponding argument is not writable");
                return Err(Error::syntax(message));
            }
            targets.push(self.target(&path)?);
        }
        let Outcome::Rows(mut answer) = self.sql(sql).await? else { return Ok(()) };
        let row = self.next(&mut answer).await?.unwrap_or_default();
        for (place, cell) in targets.into_iter().zip(row) {
            self.assign(place, cell).await?;
        }
        Ok(())
    }

    /// Runs a body in SQL: the rows of its last statement are the answer.
    async fn sql_body(&mut self, function: &Function, statements: &[Embedded], outputs: &[Output]) -> Result<Vec<Vec<Holds>>> {
        self.outputs = outputs.iter().map(|output| output.holds.clone()).collect();
        let is_void = matches!(function.returns.ty, Some(TypeName::Void));
        let mut last = None;
        for statement in statements {
            if statement.statement.controls_transaction() {
                let word = statement.text.split_whitespace().next().unwrap_or_default().to_uppercase();
                return Err(self.in_sql(Error::unsupported(format!("{word} is not allowed in an SQL function"))));
            }
            last = match self.sql(statement).await.map_err(|e| self.in_sql(e))? {
                Outcome::Rows(answer) => Some(answer),
                Outcome::Done(_) => None,
            };
            if let Some(answer) = last.as_mut().filter(|_| is_void) {
                while self.next(answer).await?.is_some() {}
            }
        }
        let Some(mut answer) = last.filter(|_| !is_void) else {
            return if is_void { Ok(vec![void()]) } else { Err(no_query(function)) };
        };
        if answer.columns.len() != self.outputs.len() {
            return Err(no_query(function).detail(format!("Final statement must return exactly {} columns.", self.outputs.len())));
        }
        self.first_rows(&mut answer, function.returns.set).await
    }

    async fn first_rows(&mut self, answer: &mut Answer, all: bool) -> Result<Vec<Vec<Holds>>> {
        while let Some(cells) = self.next(answer).await? {
            let row = self.as_outputs(cells).await?;
            self.gather(row)?;
            if !all {
                break;
            }
        }
        let mut rows = std::mem::take(&mut self.rows);
        if rows.is_empty() && !all {
            rows.push(self.outputs.clone());
        }
        Ok(rows)
    }
}

fn no_query(function: &Function) -> Error {
    let message = format!("return type mismatch in function {}", function.name);
    Error::new(code::INVALID_FUNCTION_DEFINITION, message)
        .detail("Function's final statement must be SELECT or a change of rows with RETURNING.")
}

/// What a function answers that returns nothing.
fn void() -> Vec<Holds> {
    vec![Holds::Value { cell: Cell { ty: PgType::Void, text: Some(String::new()) }, domain: None }]
}

/// Rows as a batch.
pub(super) fn batch(outputs: &[Output], rows: Vec<Vec<Holds>>, reading: Reading) -> Result<RecordBatch> {
    let count = rows.len();
    let mut columns: Vec<Vec<Holds>> = outputs.iter().map(|_| Vec::with_capacity(count)).collect();
    for row in rows {
        columns.iter_mut().zip(row).for_each(|(column, holds)| column.push(holds));
    }
    let (mut fields, mut arrays) = (Vec::with_capacity(outputs.len()), Vec::with_capacity(outputs.len()));
    for (output, column) in outputs.iter().zip(columns) {
        let (field, array) = column_of(output, column, reading)?;
        fields.push(field);
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
}

fn column_of(output: &Output, held: Vec<Holds>, reading: Reading) -> Result<(Field, ArrayRef)> {
    match &output.holds {
        Holds::Value { cell, .. } => {
            let texts = held.into_iter().map(|holds| match holds {
                Holds::Value { cell, .. } => cell.text,
                Holds::Row { .. } => None,
            });
            Ok((cell.ty.field(&output.name, true), array_of(&cell.ty, texts, reading)?))
        }
        Holds::Row { columns, .. } => {
            let rows: Vec<Option<Vec<Option<String>>>> = held
                .into_iter()
                .map(|holds| match holds {
                    Holds::Row { values, .. } => values,
                    Holds::Value { .. } => None,
                })
                .collect();
            let (mut fields, mut arrays) = (Vec::new(), Vec::new());
            for (i, (name, ty)) in columns.iter().enumerate() {
                let texts = rows.iter().map(|row| row.as_ref().and_then(|row| row[i].clone()));
                fields.push(ty.field(name, true));
                arrays.push(array_of(ty, texts, reading)?);
            }
            let fields = Fields::from(fields);
            let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
            let array = StructArray::try_new_with_length(fields.clone(), arrays, Some(nulls), rows.len())?;
            Ok((Field::new(&output.name, DataType::Struct(fields), true), Arc::new(array)))
        }
    }
}

/// Texts as values of a type.
pub(super) fn array_of(ty: &PgType, texts: impl Iterator<Item = Option<String>>, reading: Reading) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(ty, texts.size_hint().0).reading(reading);
    for text in texts {
        match text {
            Some(text) => builder.append_text(&text)?,
            None => builder.append_null(),
        }
    }
    Ok(builder.finish())
}

impl Session {
    /// What a variable of a type holds at first, where there is no other variable that it may be like.
    pub(super) fn holds(&self, ty: &TypeName) -> Result<Holds> {
        super::assign::held(self, &Frame::new(""), ty)
    }
}
