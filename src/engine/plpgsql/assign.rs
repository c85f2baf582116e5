//! What variables are given: values, as ones of their types, and rows.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, FunctionArguments, SelectItem, SetExpr};

use super::Cell;
use super::composites::{fields_of, is_row};
use super::frame::{Frame, Holds, Place, column_at};
use super::run::Run;
use crate::catalog::{Name, Relation, TypeKind};
use crate::data::PgType;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::sql::fold_name;
use crate::sql::plpgsql::{Expression, TypeName};
use crate::sql::statement::SqlType;

impl Run<'_> {
    /// Where a target is. Errors: 42601 for a name that is no variable's, 22005 for a constant.
    pub(super) fn target(&self, path: &[String]) -> Result<Place> {
        let name = path.join(".");
        let unknown = || Error::syntax(format!("\"{name}\" is not a known variable"));
        let place = self.frame.find(path).ok_or_else(unknown)?;
        if self.frame.variable(place).constant {
            return Err(Error::new(code::own("22005"), format!("variable \"{name}\" is declared CONSTANT")));
        }
        Ok(place)
    }

    pub(super) fn held(&self, ty: &TypeName) -> Result<Holds> {
        held(self.session, &self.frame, ty)
    }

    /// Assigns what an expression gives: a value, or a row that a variable holds.
    pub(super) async fn assign_value(&mut self, place: Place, value: &Expression) -> Result<()> {
        if place.field.is_none() && matches!(self.frame.variable(place).holds, Holds::Row { .. }) {
            return match self.held_value(value).await? {
                Holds::Row { columns, values, .. } => {
                    let cells = values
                        .map(|values| values.into_iter().zip(&columns).map(|(text, (_, ty))| Cell { ty: ty.clone(), text }).collect());
                    self.assign_cells(place, columns.into_iter().map(|(name, _)| name).collect(), cells).await
                }
                Holds::Value { cell: Cell { text: None, .. }, .. } => self.assign_cells(place, vec![], None).await,
                Holds::Value { cell, .. } if is_row(&cell) => self.assign(place, cell).await,
                Holds::Value { .. } => Err(Error::new(code::DATATYPE_MISMATCH, "cannot assign non-composite value to a row variable")
                    .hint("SELECT .. INTO fills a row from several columns.")),
            };
        }
        let cell = self.value(value).await?;
        self.assign(place, cell).await
    }

    /// What an expression gives; a row where it is nothing but a variable that holds one, or COALESCE of such.
    pub(super) async fn held_value(&mut self, value: &Expression) -> Result<Holds> {
        if let Some(row) = self.first_row(value) {
            return Ok(row);
        }
        if let Some(place) = self.frame.find(&path_of(&value.text)).filter(|place| place.field.is_none())
            && let holds @ Holds::Row { .. } = &self.frame.variable(place).holds
        {
            return Ok(holds.clone());
        }
        Ok(Holds::Value { cell: self.value(value).await?, domain: None })
    }

    /// The value of an expression that is nothing but a variable, if SQL would give it as it is: the text of times and floats depends on
    /// settings.
    pub(super) fn variable_value(&self, value: &Expression) -> Option<Cell> {
        let place = self.frame.find(&path_of(&value.text))?;
        let is_row = place.field.is_none() && matches!(self.frame.variable(place).holds, Holds::Row { .. });
        self.frame.cell(place).ok().filter(|cell| !is_row && is_shown_alike(&cell.ty))
    }

    /// The first row that there is of those that COALESCE names, NULL if there is none; `None` for any other expression.
    fn first_row(&self, value: &Expression) -> Option<Holds> {
        let SetExpr::Select(select) = value.query.body.as_ref() else { return None };
        let [SelectItem::UnnamedExpr(Expr::Function(function))] = select.projection.as_slice() else { return None };
        let FunctionArguments::List(list) = &function.args else { return None };
        if fold_name(function.name.0.last()?.as_ident()?) != "coalesce" {
            return None;
        }
        let row = |argument: &FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name))) => {
                let place = self.frame.find(&[fold_name(name)])?;
                Some(&self.frame.variable(place).holds).filter(|holds| matches!(holds, Holds::Row { .. }))
            }
            _ => None,
        };
        let rows = list.args.iter().map(row).collect::<Option<Vec<_>>>()?;
        let there = rows.iter().find(|holds| matches!(holds, Holds::Row { values: Some(_), .. }));
        there.or(rows.first()).map(|holds| (*holds).clone())
    }

    /// Assigns a value, as one of the target's type. Errors: 22004 for NULL where that is not to be, and those of the conversion.
    pub(super) async fn assign(&mut self, place: Place, cell: Cell) -> Result<()> {
        let variable = self.frame.variable(place);
        let (ty, domain) = match (&variable.holds, place.field) {
            (Holds::Value { cell, domain }, _) => (cell.ty.clone(), domain.clone()),
            (Holds::Row { columns, .. }, Some(field)) => (column_at(&variable.name, columns, field)?.clone(), None),
            (Holds::Row { record: true, .. }, None) if let PgType::Composite(of) = &cell.ty => {
                // A record has the columns of what it is given.
                let columns = of.attributes().iter().map(|a| (a.name.clone(), a.ty.clone())).collect::<Vec<_>>();
                let names = columns.iter().map(|(name, _)| name.clone()).collect();
                let cells = fields_of(cell, &columns)?;
                return self.assign_cells(place, names, cells).await;
            }
            (Holds::Row { columns, record: false, .. }, None) if is_row(&cell) => {
                let cells = fields_of(cell, columns)?;
                return self.assign_cells(place, vec![], cells).await;
            }
            (Holds::Row { .. }, None) => return self.assign_cells(place, vec!["?column?".into()], Some(vec![cell])).await,
        };
        let converted = self.converted(cell, &ty, domain.as_ref()).await?;
        match (&mut self.frame.variable_mut(place).holds, place.field) {
            (Holds::Row { columns, values, .. }, Some(field)) => {
                let empty = || vec![None; columns.len()];
                values.get_or_insert_with(empty)[field] = converted.text;
            }
            (holds, _) => *holds = Holds::Value { cell: converted, domain },
        }
        self.refuse_null(place)
    }

    fn refuse_null(&self, place: Place) -> Result<()> {
        let variable = self.frame.variable(place);
        let is_null = matches!(&variable.holds, Holds::Value { cell, .. } if cell.text.is_none());
        if variable.not_null && is_null {
            let message = format!("null value cannot be assigned to variable \"{}\" declared NOT NULL", variable.name);
            return Err(Error::new(code::NULL_VALUE_NOT_ALLOWED, message));
        }
        Ok(())
    }

    /// Assigns a row to a variable that holds one, column by column.
    async fn assign_cells(&mut self, place: Place, names: Vec<String>, cells: Option<Vec<Cell>>) -> Result<()> {
        let Holds::Row { columns, record, .. } = self.frame.variable(place).holds.clone() else {
            return Err(Error::internal("a row goes to a variable that holds one"));
        };
        let holds = match (record, cells) {
            (true, Some(cells)) => {
                let columns = names.into_iter().zip(&cells).map(|(name, cell)| (name, cell.ty.clone())).collect();
                Holds::Row { columns, values: Some(cells.into_iter().map(|cell| cell.text).collect()), record }
            }
            (true, None) => {
                let columns = if names.is_empty() { columns } else { names.into_iter().map(|name| (name, PgType::Text)).collect() };
                Holds::Row { columns, values: None, record }
            }
            (false, None) => Holds::Row { columns, values: None, record },
            (false, Some(cells)) => {
                let mut values = Vec::with_capacity(columns.len());
                let mut cells = cells.into_iter();
                for (_, ty) in &columns {
                    values.push(match cells.next() {
                        Some(cell) => self.converted(cell, ty, None).await?.text,
                        None => None,
                    });
                }
                Holds::Row { columns, values: Some(values), record }
            }
        };
        self.frame.variable_mut(place).holds = holds;
        Ok(())
    }

    /// Assigns a row of an answer to the targets of INTO or FOR: one that holds a row takes all of it. What has no column is NULL.
    pub(super) async fn assign_row(&mut self, targets: &[Vec<String>], names: Vec<String>, row: Option<Vec<Cell>>) -> Result<()> {
        let places = targets.iter().map(|path| self.target(path)).collect::<Result<Vec<_>>>()?;
        if let [place] = places[..]
            && place.field.is_none()
            && matches!(self.frame.variable(place).holds, Holds::Row { .. })
        {
            return self.assign_cells(place, names, row).await;
        }
        let is_row = |place: &Place| place.field.is_none() && matches!(self.frame.variable(*place).holds, Holds::Row { .. });
        if places.iter().any(is_row) {
            return Err(Error::syntax("record variable cannot be part of multiple-item INTO list"));
        }
        let mut cells = row.unwrap_or_default().into_iter();
        for place in places {
            self.assign(place, cells.next().unwrap_or(Cell { ty: PgType::Unknown, text: None })).await?;
        }
        Ok(())
    }
}

/// The row of a relation.
fn row_of(relation: &Relation) -> Holds {
    Holds::row(relation.columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect())
}

/// True for types whose text is the same whatever is set.
fn is_shown_alike(ty: &PgType) -> bool {
    match ty {
        PgType::Bool
        | PgType::Int2
        | PgType::Int4
        | PgType::Int8
        | PgType::Text
        | PgType::Varchar(_)
        | PgType::Uuid
        | PgType::Inet
        | PgType::Cidr
        | PgType::Jsonb => true,
        PgType::Array(item) => is_shown_alike(item),
        // One of a relation that is gone by now has its name still.
        other => other.is_numeric() || other.is_reg(),
    }
}

/// The name that a text is, if it is nothing else.
fn path_of(text: &str) -> Vec<String> {
    let is_name = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let parts: Vec<&str> = text.split('.').map(str::trim).collect();
    if parts.iter().all(is_name) { parts.into_iter().map(str::to_lowercase).collect() } else { vec![] }
}

/// What a variable of a type holds at first. Errors: 42704, 42P01, 42703.
pub(super) fn held(session: &Session, frame: &Frame, ty: &TypeName) -> Result<Holds> {
    match ty {
        TypeName::Void => Ok(Holds::null(PgType::Void)),
        TypeName::Trigger => Err(Error::unsupported("trigger functions can only be called as triggers")),
        TypeName::Record => Ok(Holds::Row { columns: vec![], values: None, record: true }),
        ty if let Some(row) = session.composite_row(ty) => Ok(row),
        TypeName::Row(name) => session.scope().get(name).map(|relation| row_of(relation)),
        TypeName::Like(path) => held_like(session, frame, path),
        TypeName::Named(SqlType::Named(named)) if !named.array => {
            let scope = session.scope();
            match (session.type_named(&SqlType::Named(named.clone())), scope.find(&named.name)) {
                (Ok(ty), _) => {
                    let of_domain = scope.get_type(&named.name).is_ok_and(|ty| matches!(ty.what, TypeKind::Domain(_)));
                    let domain = of_domain.then(|| named.name.clone());
                    Ok(Holds::Value { cell: Cell { ty, text: None }, domain })
                }
                (Err(_), Some(relation)) => Ok(row_of(relation)),
                (Err(e), None) => Err(e),
            }
        }
        TypeName::Named(ty) => session.type_named(ty).map(Holds::null),
    }
}

/// The type of a variable, or of a column.
fn held_like(session: &Session, frame: &Frame, path: &[String]) -> Result<Holds> {
    if let Some(place) = frame.find(path) {
        return Ok(match (&frame.variable(place).holds, place.field) {
            (Holds::Value { cell, domain }, _) => Holds::Value { cell: Cell { ty: cell.ty.clone(), text: None }, domain: domain.clone() },
            (Holds::Row { columns, .. }, Some(field)) => Holds::null(columns[field].1.clone()),
            (Holds::Row { columns, record, .. }, None) => Holds::Row { columns: columns.clone(), values: None, record: *record },
        });
    }
    let (name, column) = match path {
        [relation, column] => (Name::bare(relation.as_str()), column),
        [schema, relation, column] => (Name::qualified(schema.as_str(), relation.as_str()), column),
        _ => return Err(Error::syntax(format!("\"{}\" is not a known variable", path.join(".")))),
    };
    let relation = session.scope().get(&name)?.clone();
    Ok(Holds::null(relation.columns[relation.column(column)?].ty.clone()))
}
