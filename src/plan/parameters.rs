//! The types of parameters that the client does not declare, from where they stand in the plan.
//!
//! As PostgreSQL does (manual, chapter 10): a parameter that is cast has the type of the cast; an operand, or a branch of CASE,
//! coalesce and their kin, has the type of its neighbours; an argument has the type that the function asks for; LIMIT and OFFSET
//! take bigint, conditions boolean. DataFusion itself knows comparisons, IN, BETWEEN and LIKE.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, Placeholder, ScalarFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, Union, Values, WindowFrameUnits};

use sqlparser::ast;

use super::inline;
use crate::data::PgType;
use crate::error::Result;
use crate::func::frame_offsets;
use crate::func::type_of;
use crate::sql::placeholder;

/// Functions whose arguments have one type.
const ALIKE: &[&str] = &["coalesce", "greatest", "least", "nullif", "array_concat", "array_contains_all", "pg_array_overlap"];
/// Functions of a list and an item.
const OF_LIST: &[&str] = &["array_has", "pg_any", "array_append", "array_remove", "array_remove_all", "array_position", "array_positions"];
/// Aggregates of booleans.
const OF_BOOLEANS: &[&str] = &["bool_and", "bool_or", "every"];
/// DataFusion compares with these of an array where `<`, `>` and their kin are to hold for ANY or ALL of it.
const EXTREMES: &[&str] = &["array_min", "array_max"];

/// The types of the plan's parameters by their number, from 1, as far as their places tell them. Cost O(plan).
pub fn types(plan: &LogicalPlan) -> DfResult<BTreeMap<usize, PgType>> {
    let mut found = Found::default();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            let both = [limit.fetch.as_deref(), limit.skip.as_deref()];
            both.into_iter().flatten().for_each(|count| found.note(count, &PgType::Int8));
        }
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = node {
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        if let LogicalPlan::Filter(filter) = node {
            found.note(&filter.predicate, &PgType::Bool);
        }
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                found.look(e, &schema);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found.all())
}

/// The plan with parameters of these types wherever their places did not tell one: what they are part of gets its type from them.
/// Cost O(plan).
pub fn typed(plan: LogicalPlan, types: &[PgType]) -> DfResult<LogicalPlan> {
    with_types(plan, |place| if place.field.is_none() { types.get(index(place)?) } else { None })
}

/// The plan with the types that the client has declared, whatever the places of parameters tell. Cost O(plan).
pub fn declared(plan: LogicalPlan, types: &[Option<PgType>]) -> DfResult<LogicalPlan> {
    with_types(plan, |place| types.get(index(place)?)?.as_ref().filter(|ty| **ty != PgType::Unknown))
}

/// Casts parameters to the types that the client has declared, where what stands around them looks at a type before the plan has any:
/// what a date and a number make is another thing than what a number and a number make, a function of arrays takes no text, `<<` is that of
/// addresses or of numbers, and `||` puts an item to an array, and joins two texts otherwise than two of jsonb. What a whole number is computed
/// with may be of another width, or no whole number, and what comes of it goes by both. Cost O(query).
pub fn cast_declared(query: &mut ast::Query, types: &[Option<PgType>]) -> Result<()> {
    let has_dates = types.contains(&Some(PgType::Date));
    let matters = |ty: &PgType| is_looked_at(ty) || has_dates && matches!(ty, PgType::Int2 | PgType::Int4);
    let cast_where = |expr: &mut ast::Expr, matters: &dyn Fn(&PgType) -> bool| {
        let Some(ty) = type_of(expr, types).filter(|ty| matters(ty)) else { return Ok(()) };
        let parameter = std::mem::replace(expr, ast::Expr::Value(ast::Value::Null.into()));
        *expr = inline::cast(parameter, ty)?;
        Ok(())
    };
    let cast = |expr: &mut ast::Expr| match expr {
        ast::Expr::BinaryOp { left, op, right } if means_several(op, type_of(left, types)) => {
            cast_where(left, &is_joined)?;
            cast_where(right, &is_joined)
        }
        ast::Expr::BinaryOp { left, op, right } if is_arithmetic(op) => {
            cast_where(left, &is_whole)?;
            cast_where(right, &is_whole)
        }
        expr => cast_where(expr, &matters),
    };
    let done = ast::visit_expressions_mut(query, |expr| cast(expr).map_or_else(ControlFlow::Break, ControlFlow::Continue));
    done.break_value().map_or(Ok(()), Err)
}

/// The type that is declared of a parameter.
fn type_of<'a>(expr: &ast::Expr, types: &'a [Option<PgType>]) -> Option<&'a PgType> {
    types.get(placeholder(expr)?.checked_sub(1)?)?.as_ref()
}

/// True for an operator that is one thing for texts and numbers, and others for jsonb, bytea and arrays. `left`: what is declared of its left
/// side.
fn means_several(op: &ast::BinaryOperator, left: Option<&PgType>) -> bool {
    use ast::BinaryOperator as B;
    match op {
        B::StringConcat | B::AtArrow | B::ArrowAt | B::Question | B::QuestionPipe | B::QuestionAnd | B::HashMinus => true,
        B::Minus => left == Some(&PgType::Jsonb),
        _ => false,
    }
}

fn is_arithmetic(op: &ast::BinaryOperator) -> bool {
    use ast::BinaryOperator as B;
    matches!(op, B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo)
}

fn is_whole(ty: &PgType) -> bool {
    matches!(ty, PgType::Int2 | PgType::Int4 | PgType::Int8)
}

/// True for the types of what such operators take, which are not looked at anyway. A cast to numeric would lose the decimals that a result of
/// arithmetic shows.
fn is_joined(ty: &PgType) -> bool {
    use PgType as T;
    let is_number = is_whole(ty) || matches!(ty, T::Float4 | T::Float8 | T::Numeric(_));
    is_number || matches!(ty, T::Bool | T::Text | T::Varchar(_) | T::Uuid | T::Jsonb | T::Bytea)
}

/// True for the types of times, of addresses, and of arrays that a cast can name.
fn is_looked_at(ty: &PgType) -> bool {
    match ty {
        PgType::Date | PgType::Time | PgType::Timestamp | PgType::Timestamptz | PgType::Interval => true,
        PgType::Inet | PgType::Cidr => true,
        PgType::Array(item) => {
            !item.is_of_enum() && !matches!(**item, PgType::Id(_) | PgType::Opaque(_) | PgType::Record | PgType::Unknown)
        }
        _ => false,
    }
}

/// The types declared of parameters that are numbers of a wider type than their places tell: what they are part of is of that type then. `inferred`:
/// what the places tell, by `$n`.
pub fn wider(inferred: &HashMap<String, Option<DataType>>, types: &[Option<PgType>]) -> Vec<Option<PgType>> {
    let of_place = |i: usize| inferred.get(&format!("${}", i + 1)).cloned().flatten().and_then(|ty| width(&PgType::of_arrow(&ty)));
    let is_wider = |i: usize, ty: &PgType| width(ty).zip(of_place(i)).is_some_and(|(declared, told)| declared > told);
    types.iter().enumerate().map(|(i, ty)| ty.clone().filter(|ty| is_wider(i, ty))).collect()
}

/// The place of a type among those of numbers: of two that are computed with, the result has the later one.
fn width(ty: &PgType) -> Option<u8> {
    Some(match ty {
        PgType::Int2 => 1,
        PgType::Int4 => 2,
        PgType::Int8 => 3,
        PgType::Float4 => 5,
        PgType::Float8 => 6,
        other => return other.is_numeric().then_some(4),
    })
}

fn with_types<'a>(plan: LogicalPlan, ty: impl Fn(&Placeholder) -> Option<&'a PgType>) -> DfResult<LogicalPlan> {
    let place = |expr: Expr| match expr {
        Expr::Placeholder(place) => match ty(&place).map(|ty| Arc::new(ty.field("", true))) {
            Some(field) => Transformed::yes(Expr::Placeholder(Placeholder { field: Some(field), ..place })),
            None => Transformed::no(Expr::Placeholder(place)),
        },
        expr => Transformed::no(expr),
    };
    let node = |node: LogicalPlan| {
        let names = NamePreserver::new(&node);
        let filled = node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(|e| Ok(place(e)))?.update_data(|e| name.restore(e)))
        })?;
        filled.map_data(|node| match node {
            LogicalPlan::Values(Values { values, .. }) => type_of::values(values),
            LogicalPlan::Union(union) => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)),
            other => other.recompute_schema(),
        })
    };
    Ok(plan.transform_up_with_subqueries(node)?.data)
}

/// What is known so far; the first place that tells a type decides.
#[derive(Default)]
struct Found {
    types: BTreeMap<usize, PgType>,
    /// `$item = ANY ($list)`: the numbers of a list and of what is looked for in it.
    sought: Vec<(usize, usize)>,
}

impl Found {
    fn note(&mut self, expr: &Expr, ty: &PgType) {
        if let Some(number) = number(expr) {
            let ty = match ty.base() {
                PgType::Varchar(_) | PgType::Unknown => PgType::Text,
                base => base,
            };
            self.types.entry(number).or_insert(ty);
        }
    }

    /// All of these have one type: that of the first that has one. Parameters have one where planning gave it to them.
    fn alike<'a>(&mut self, all: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) {
        let all: Vec<&Expr> = all.into_iter().collect();
        let (parameters, others): (Vec<&Expr>, Vec<&Expr>) = all.into_iter().partition(|e| number(e).is_some());
        let Some(ty) = others.iter().chain(&parameters).find_map(|e| type_of::of(e, schema)) else { return };
        parameters.into_iter().for_each(|e| self.note(e, &ty));
    }

    /// The array that `array` is the least or the greatest of has items of the type of what is compared with that.
    fn extreme(&mut self, array: &Expr, compared: &Expr, schema: &DFSchema) {
        if let Expr::ScalarFunction(call) = array
            && EXTREMES.contains(&call.name())
            && let [list] = call.args.as_slice()
            && let Some(item) = type_of::of(compared, schema)
        {
            self.note(list, &PgType::Array(Box::new(item)));
        }
    }

    /// What a list of items and what is looked for in it tell of one another.
    fn search(&mut self, list: &Expr, item: &Expr, schema: &DFSchema) {
        if let Some(ty) = type_of::of(item, schema) {
            self.note(list, &PgType::Array(Box::new(ty)));
        }
        if let Some(PgType::Array(ty)) = type_of::of(list, schema) {
            self.note(item, &ty);
        }
        self.sought.extend(number(list).zip(number(item)));
    }

    /// All types; two parameters of which one is looked for in the other are text where nothing tells more.
    fn all(mut self) -> BTreeMap<usize, PgType> {
        for (list, item) in self.sought {
            let ty = match (self.types.get(&list), self.types.get(&item)) {
                (Some(PgType::Array(ty)), _) => ty.as_ref().clone(),
                (_, Some(ty)) => ty.clone(),
                _ => PgType::Text,
            };
            self.types.entry(item).or_insert_with(|| ty.clone());
            self.types.entry(list).or_insert_with(|| PgType::Array(Box::new(ty)));
        }
        self.types
    }

    fn look(&mut self, expr: &Expr, schema: &DFSchema) {
        match expr {
            Expr::Cast(cast) => self.note(&cast.expr, &PgType::of(&cast.field)),
            Expr::Not(inner) => self.note(inner, &PgType::Bool),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
                [left, right].into_iter().for_each(|side| self.note(side, &PgType::Bool));
            }
            Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
                self.extreme(left, right, schema);
                self.extreme(right, left, schema);
                self.alike([left.as_ref(), right.as_ref()], schema);
            }
            // Planning has typed it from its neighbour.
            Expr::Placeholder(Placeholder { field: Some(field), .. }) => self.note(expr, &PgType::of(field)),
            Expr::Between(Between { expr, low, high, .. }) => self.alike([expr.as_ref(), low.as_ref(), high.as_ref()], schema),
            Expr::InList(InList { expr, list, .. }) => self.alike(std::iter::once(expr.as_ref()).chain(list), schema),
            Expr::Case(case) => {
                let whens = case.when_then_expr.iter().map(|(when, _)| when.as_ref());
                match &case.expr {
                    Some(operand) => self.alike(std::iter::once(operand.as_ref()).chain(whens), schema),
                    None => whens.for_each(|when| self.note(when, &PgType::Bool)),
                }
                let thens = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
                self.alike(thens.chain(case.else_expr.as_deref()), schema);
            }
            Expr::ScalarFunction(call) => self.arguments(call, schema),
            Expr::AggregateFunction(call) => {
                let of_booleans = call.params.args.iter().filter(|_| OF_BOOLEANS.contains(&call.func.name()));
                let conditions = call.params.filter.iter().map(AsRef::as_ref).chain(of_booleans);
                conditions.for_each(|condition| self.note(condition, &PgType::Bool));
            }
            Expr::WindowFunction(call) => {
                self.windowed(call, schema);
                self.offsets(call, schema);
            }
            _ => {}
        }
    }

    /// Numbers of rows and of parts are integers; what stands for a row that is not there is as the others are.
    fn windowed(&mut self, call: &WindowFunction, schema: &DFSchema) {
        call.params.filter.iter().for_each(|condition| self.note(condition, &PgType::Bool));
        match (call.fun.name(), call.params.args.as_slice()) {
            ("ntile", [count]) | ("nth_value", [_, count]) => self.note(count, &PgType::Int4),
            ("lag" | "lead", [value, offset, default @ ..]) => {
                self.note(offset, &PgType::Int4);
                self.alike(std::iter::once(value).chain(default), schema);
            }
            _ => {}
        }
    }

    /// Arguments of functions that take several types, of which PostgreSQL prefers one; false for any other function.
    fn preferred(&mut self, call: &ScalarFunction) -> bool {
        match (call.name(), call.args.as_slice()) {
            ("pg_sleep", [seconds]) => self.note(seconds, &PgType::Float8),
            ("pg_sleep_for", [span]) => self.note(span, &PgType::Interval),
            ("set_config", [name, value, local]) => {
                [name, value].into_iter().for_each(|text| self.note(text, &PgType::Text));
                self.note(local, &PgType::Bool);
            }
            ("round" | "trunc", [number, digits]) => {
                self.note(number, &PgType::Numeric(None));
                self.note(digits, &PgType::Int4);
            }
            ("div" | "log", numbers @ [_, _]) => numbers.iter().for_each(|number| self.note(number, &PgType::Numeric(None))),
            ("json_array_length", [json]) => self.note(json, &PgType::Json),
            ("jsonb_set", [target, path, value, ..]) => {
                [target, value].into_iter().for_each(|json| self.note(json, &PgType::Jsonb));
                self.note(path, &PgType::Array(Box::new(PgType::Text)));
            }
            _ => return false,
        }
        true
    }

    /// Frames count rows and groups in bigint, and measure from a time by an interval and from a number by one of its type.
    fn offsets(&mut self, call: &WindowFunction, schema: &DFSchema) {
        let params = &call.params;
        let ty = match params.window_frame.units {
            WindowFrameUnits::Range => match params.order_by.first().and_then(|by| type_of::of(&by.expr, schema)) {
                Some(PgType::Date | PgType::Time | PgType::Timestamp | PgType::Timestamptz) => PgType::Interval,
                Some(ty) => ty,
                None => return,
            },
            WindowFrameUnits::Rows | WindowFrameUnits::Groups => PgType::Int8,
        };
        params.partition_by.iter().filter_map(frame_offsets::told).for_each(|offset| self.note(offset, &ty));
    }

    fn arguments(&mut self, call: &ScalarFunction, schema: &DFSchema) {
        if !call.args.iter().any(|a| number(a).is_some()) || self.preferred(call) {
            return;
        }
        if ALIKE.contains(&call.name()) {
            return self.alike(&call.args, schema);
        }
        // `k = ANY (list)` is one of them here.
        if let [list, item] = call.args.as_slice()
            && OF_LIST.contains(&call.name())
        {
            return self.search(list, item, schema);
        }
        let fields = call.args.iter().map(|a| a.to_field(schema).map(|(_, field)| field)).collect::<DfResult<Vec<_>>>();
        let Ok(wanted) = fields.and_then(|fields| fields_with_udf(&fields, call.func.as_ref())) else { return };
        for (argument, field) in call.args.iter().zip(wanted).filter(|(argument, _)| type_of::of(argument, schema).is_none()) {
            match field.data_type() {
                DataType::Null => {}
                // DataFusion counts in bigint where PostgreSQL's functions take integer.
                DataType::Int64 => self.note(argument, &PgType::Int4),
                _ => self.note(argument, &PgType::of(&field)),
            }
        }
    }
}

/// The number of a parameter, from 0.
fn index(place: &Placeholder) -> Option<usize> {
    place.id.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
}

/// The number of a parameter.
fn number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Placeholder(Placeholder { id, .. }) => id.strip_prefix('$')?.parse().ok(),
        Expr::Alias(alias) => number(&alias.expr),
        _ => None,
    }
}
