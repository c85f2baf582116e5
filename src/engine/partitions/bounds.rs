//! Bounds of partitions: what a statement says of one, as the catalog keeps it, and whether it fits beside the others.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, AsArray};

use crate::catalog::{Bound, Column, Datum, Indexed, Partitioning, Relation, Strategy, typed_literal};
use crate::data::PgType;
use crate::data::encode::{Style, cell_text};
use crate::engine::dml::{cast_columns, parsed_query};
use crate::engine::session::Session;
use crate::error::{Error, Result, code};

impl Session {
    /// The bound that a statement asks for, of a partition of that name. Errors: 42809 where the parent has no partitions; 42P16, 42P17 and
    /// 42804 for one that is none or does not fit beside the others; those of its values.
    pub(super) async fn settled_bound(&self, parent: &Relation, asked: &Bound, name: &str) -> Result<Bound> {
        let by = parent.partitioning.as_ref().ok_or_else(|| not_partitioned(parent))?;
        let bound = match (by.strategy, asked) {
            (Strategy::Hash, Bound::Default) => return Err(invalid("a hash-partitioned table may not have a default partition")),
            (_, Bound::Default) => Bound::Default,
            (Strategy::List, Bound::List(values)) => Bound::List(self.listed(by, &parent.columns, values).await?),
            (Strategy::Range, Bound::Range { from, to }) => {
                let from = self.tuple(by, &parent.columns, from, "FROM").await?;
                let to = self.tuple(by, &parent.columns, to, "TO").await?;
                Bound::Range { from, to }
            }
            (Strategy::Hash, Bound::Hash { modulus, remainder }) => {
                check_hash(*modulus, *remainder)?;
                asked.clone()
            }
            (strategy, _) => {
                return Err(invalid(&format!("invalid bound specification for a {} partition", strategy.word().to_lowercase())));
            }
        };
        self.check_beside(parent, &bound, name).await?;
        Ok(bound)
    }

    /// The values of a list, each once.
    async fn listed(&self, by: &Partitioning, columns: &[Column], asked: &[Option<String>]) -> Result<Vec<Option<String>>> {
        let (mut values, mut seen) = (Vec::with_capacity(asked.len()), HashSet::new());
        for value in asked {
            let value = match value {
                Some(sql) => self.constant(sql, &by.keys[0], columns).await?,
                None => None,
            };
            if seen.insert(value.clone()) {
                values.push(value);
            }
        }
        Ok(values)
    }

    /// One end of a range.
    async fn tuple(&self, by: &Partitioning, columns: &[Column], asked: &[Datum], word: &str) -> Result<Vec<Datum>> {
        if asked.len() != by.keys.len() {
            return Err(invalid(&format!("{word} must specify exactly one value per partitioning column")));
        }
        let mut data: Vec<Datum> = Vec::with_capacity(asked.len());
        for (datum, key) in asked.iter().zip(&by.keys) {
            let datum = match datum {
                Datum::Value(sql) => {
                    let value = self.constant(sql, key, columns).await?;
                    Datum::Value(value.ok_or_else(|| misfit("cannot specify NULL in range bound".into()))?)
                }
                infinite => infinite.clone(),
            };
            let ends = data.last().filter(|last| !matches!(last, Datum::Value(_)) && **last != datum);
            if let Some(last) = ends {
                let word = if *last == Datum::Min { "MINVALUE" } else { "MAXVALUE" };
                return Err(Error::new(code::DATATYPE_MISMATCH, format!("every bound following {word} must also be {word}")));
            }
            data.push(datum);
        }
        Ok(data)
    }

    /// The value of an expression without columns, as text of the type of a key; `None` for NULL.
    async fn constant(&self, sql: &str, key: &Indexed, columns: &[Column]) -> Result<Option<String>> {
        let column = match key {
            Indexed::Column(name) => columns.iter().find(|c| c.name == *name).cloned(),
            Indexed::Expression { .. } => None,
        };
        let column = column.unwrap_or_else(|| Column::new("value".into(), Partitioning::type_of(key, columns)));
        if let Some(text) = literal_as_kept(sql, &column) {
            return Ok(Some(text));
        }
        let planned = self.plan_query(parsed_query(&format!("SELECT ({sql})::{}", column.ty.in_sql()))?.as_ref(), &[]).await?;
        if planned.columns.len() != 1 || !planned.relations.is_empty() {
            return Err(Error::unsupported("cannot use subquery in partition bound").hint("Write a constant expression."));
        }
        let planned = cast_columns(planned, &[&column])?;
        let rows = self.collect(&planned, vec![]).await?;
        let Some(values) = rows.iter().find(|batch| batch.num_rows() > 0).map(|batch| batch.column(0)).filter(|v| v.is_valid(0)) else {
            return Ok(None);
        };
        let mut text = Vec::new();
        cell_text(values, 0, &column.ty, &Style::default(), &mut text)?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Errors: 42P17 for a bound that says nothing, or that some row of another partition satisfies.
    async fn check_beside(&self, parent: &Relation, bound: &Bound, name: &str) -> Result<()> {
        let catalog = self.catalog();
        let others: Vec<(&Arc<Relation>, &Bound)> = catalog.partitions(parent.id).filter_map(|p| Some((p, p.bound.as_deref()?))).collect();
        let overlaps = |other: &Relation| Err(misfit(format!("partition \"{name}\" would overlap partition \"{}\"", other.name)));
        let by = parent.partitioning.as_ref().ok_or_else(|| not_partitioned(parent))?;
        let types: Vec<PgType> = by.keys.iter().map(|key| Partitioning::type_of(key, &parent.columns)).collect();
        match bound {
            Bound::Default => match catalog.default_partition(parent.id) {
                Some(other) => Err(misfit(format!("partition \"{name}\" conflicts with existing default partition \"{}\"", other.name))),
                None => Ok(()),
            },
            Bound::Hash { modulus, remainder } => {
                let hashed = others.iter().filter_map(|(other, bound)| match bound {
                    Bound::Hash { modulus, remainder } => Some((*other, *modulus, *remainder)),
                    _ => None,
                });
                let hashed: Vec<(&Arc<Relation>, u32, u32)> = hashed.collect();
                check_moduli(*modulus, &hashed)?;
                let same = |of: &&(&Arc<Relation>, u32, u32)| {
                    let smaller = of.1.min(*modulus);
                    of.2 % smaller == remainder % smaller
                };
                hashed.iter().find(same).map_or(Ok(()), |(other, ..)| overlaps(other))
            }
            Bound::List(values) => {
                let listed = others.iter().enumerate().filter_map(|(at, (_, other))| match other {
                    Bound::List(theirs) => Some((at, theirs)),
                    _ => None,
                });
                let at = self.first_shared(values, &listed.collect::<Vec<_>>(), &types[0]).await?;
                at.map_or(Ok(()), |at| overlaps(others[at].0))
            }
            Bound::Range { from, to } => {
                if self.first_true(vec![below(from, to, &types)]).await?.is_none() {
                    return Err(empty_range(bound, by, parent, name));
                }
                let shares = others.iter().map(|(_, other)| match other {
                    Bound::Range { from: first, to: last } => both(below(from, last, &types), below(first, to, &types)),
                    _ => "false".into(),
                });
                let at = self.first_true(shares.collect()).await?;
                at.map_or(Ok(()), |at| overlaps(others[at].0))
            }
        }
    }

    /// The number of the first of these lists, with their numbers, that has one of the values. Cost: one query over all of them.
    async fn first_shared(&self, values: &[Option<String>], lists: &[(usize, &Vec<Option<String>>)], ty: &PgType) -> Result<Option<usize>> {
        let same: HashSet<&Option<String>> = values.iter().collect();
        let shared = lists.iter().find(|(_, theirs)| theirs.iter().any(|value| same.contains(value))).map(|(at, _)| *at);
        if is_told_by_text(ty) {
            return Ok(shared);
        }
        // NULL is in no other form; other values may be equal that are written otherwise.
        let before = lists.iter().filter(|(at, _)| shared.is_none_or(|shared| *at < shared));
        let theirs = before.flat_map(|(at, theirs)| theirs.iter().flatten().map(move |text| (*at, text)));
        let theirs: Vec<String> = theirs.map(|(at, text)| format!("({at}::bigint, {})", typed_literal(text, ty))).collect();
        let ours: Vec<String> = values.iter().flatten().map(|text| typed_literal(text, ty)).collect();
        if theirs.is_empty() || ours.is_empty() {
            return Ok(shared);
        }
        let (theirs, ours) = (theirs.join(", "), ours.join(", "));
        let query = format!("SELECT min(place) FROM (VALUES {theirs}) AS listed (place, value) WHERE value IN ({ours})");
        Ok(self.first_place(&query).await?.or(shared))
    }

    /// Which of these constant conditions is the first that is true.
    async fn first_true(&self, conditions: Vec<String>) -> Result<Option<usize>> {
        let known = conditions.iter().position(|condition| condition == "true");
        let open = &conditions[..known.unwrap_or(conditions.len())];
        let rows = open.iter().enumerate().filter(|(_, condition)| *condition != "false");
        let rows: Vec<String> = rows.map(|(at, condition)| format!("({at}::bigint, {condition})")).collect();
        if rows.is_empty() {
            return Ok(known);
        }
        let query = format!("SELECT min(place) FROM (VALUES {}) AS told (place, holds) WHERE holds", rows.join(", "));
        Ok(self.first_place(&query).await?.or(known))
    }

    /// The number that a query gives, if it gives one.
    async fn first_place(&self, query: &str) -> Result<Option<usize>> {
        let planned = self.plan_query(parsed_query(query)?.as_ref(), &[]).await?;
        let batches = self.collect(&planned, vec![]).await?;
        let first = batches.iter().find(|batch| batch.num_rows() > 0).map(|batch| batch.column(0).clone());
        let first = first.and_then(|column| column.as_primitive_opt::<arrow::datatypes::Int64Type>().cloned());
        Ok(first.filter(|first| first.is_valid(0)).map(|first| first.value(0) as usize))
    }
}

/// True for types whose equal values the catalog writes alike.
fn is_told_by_text(ty: &PgType) -> bool {
    use PgType::{Bool, Date, Int2, Int4, Int8, Name, Oid, Text, Uuid, Varchar};
    matches!(ty, Bool | Int2 | Int4 | Int8 | Oid | Text | Varchar(_) | Name | Date | Uuid)
}

/// The text that the catalog keeps of an expression, where that is seen without computing it: a number or a text as most lists have.
fn literal_as_kept(sql: &str, column: &Column) -> Option<String> {
    let number = |range: RangeInclusive<i64>| {
        let digits = sql.strip_prefix('-').unwrap_or(sql);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        sql.parse().ok().filter(|number: &i64| plain && range.contains(number)).map(|number| number.to_string())
    };
    match column.ty {
        PgType::Int2 => number(i16::MIN.into()..=i16::MAX.into()),
        PgType::Int4 => number(i32::MIN.into()..=i32::MAX.into()),
        PgType::Int8 => number(i64::MIN..=i64::MAX),
        PgType::Text => {
            let text = sql.strip_prefix('\'')?.strip_suffix('\'')?;
            (!text.contains('\'')).then(|| text.to_string())
        }
        _ => None,
    }
}

/// The condition that one end of a range is below another.
fn below(a: &[Datum], b: &[Datum], types: &[PgType]) -> String {
    let (Some((x, a)), Some((y, b)), Some((ty, types))) = (a.split_first(), b.split_first(), types.split_first()) else {
        return "false".into();
    };
    match (x, y) {
        (Datum::Min, Datum::Min) | (Datum::Max, _) | (_, Datum::Min) => "false".into(),
        (Datum::Min, _) | (_, Datum::Max) => "true".into(),
        (Datum::Value(x), Datum::Value(y)) => match told_order(x, y, ty) {
            Some(Ordering::Less) => "true".into(),
            Some(Ordering::Greater) => "false".into(),
            Some(Ordering::Equal) => below(a, b, types),
            None => {
                let (x, y) = (typed_literal(x, ty), typed_literal(y, ty));
                format!("({x} < {y} OR ({x} = {y} AND {}))", below(a, b, types))
            }
        },
    }
}

fn both(a: String, b: String) -> String {
    match (a.as_str(), b.as_str()) {
        ("false", _) | (_, "true") => a,
        ("true", _) | (_, "false") => b,
        _ => format!("{a} AND {b}"),
    }
}

/// The order of two values, where the texts that the catalog keeps of them tell it.
fn told_order(x: &str, y: &str, ty: &PgType) -> Option<Ordering> {
    // Of years of four digits, after Christ, in UTC.
    let moment = |text: &str| {
        let text = text.strip_suffix("+00").unwrap_or(text).to_string();
        let plain = text.len() >= 10 && text.char_indices().all(|(i, c)| c.is_ascii_digit() || (i >= 4 && "-: .".contains(c)));
        (plain && text.as_bytes()[4] == b'-').then_some(text)
    };
    match ty {
        PgType::Int2 | PgType::Int4 | PgType::Int8 => Some(x.parse::<i64>().ok()?.cmp(&y.parse().ok()?)),
        PgType::Date | PgType::Timestamp | PgType::Timestamptz => Some(moment(x)?.cmp(&moment(y)?)),
        _ => None,
    }
}

fn empty_range(bound: &Bound, by: &Partitioning, parent: &Relation, name: &str) -> Error {
    let shown = bound.shown(by, &parent.columns);
    let ends = shown.strip_prefix("FOR VALUES FROM ").and_then(|ends| ends.split_once(" TO "));
    let (from, to) = ends.unwrap_or_default();
    misfit(format!("empty range bound specified for partition \"{name}\""))
        .detail(format!("Specified lower bound {from} is greater than or equal to upper bound {to}."))
}

fn check_hash(modulus: u32, remainder: u32) -> Result<()> {
    if modulus == 0 {
        return Err(invalid("modulus for hash partition must be an integer value greater than zero"));
    }
    if remainder >= modulus { Err(invalid("remainder for hash partition must be less than modulus")) } else { Ok(()) }
}

/// Errors: 42P17 unless each modulus divides the next larger one.
fn check_moduli(modulus: u32, others: &[(&Arc<Relation>, u32, u32)]) -> Result<()> {
    let told =
        |detail: String| Err(misfit("every hash partition modulus must be a factor of the next larger modulus".into()).detail(detail));
    if let Some((other, theirs, _)) = others.iter().filter(|of| of.1 <= modulus).max_by_key(|of| of.1)
        && !modulus.is_multiple_of(*theirs)
    {
        return told(format!(
            "The new modulus {modulus} is not divisible by {theirs}, the modulus of existing partition \"{}\".",
            other.name
        ));
    }
    if let Some((other, theirs, _)) = others.iter().filter(|of| of.1 > modulus).min_by_key(|of| of.1)
        && theirs % modulus != 0
    {
        return told(format!(
            "The new modulus {modulus} is not a factor of {theirs}, the modulus of existing partition \"{}\".",
            other.name
        ));
    }
    Ok(())
}

pub(super) fn not_partitioned(relation: &Relation) -> Error {
    misfit(format!("\"{}\" is not partitioned", relation.name))
}

fn invalid(message: &str) -> Error {
    Error::new(code::INVALID_TABLE_DEFINITION, message)
}

fn misfit(message: String) -> Error {
    Error::new(code::INVALID_OBJECT_DEFINITION, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_values_is_told_by_their_texts_where_that_is_theirs() {
        let of = |x, y, ty: &PgType| told_order(x, y, ty);
        assert_eq!(of("9", "10", &PgType::Int4), Some(Ordering::Less));
        assert_eq!(of("-9", "-10", &PgType::Int8), Some(Ordering::Greater));
        assert_eq!(of("2024-01-01", "2024-02-01", &PgType::Date), Some(Ordering::Less));
        assert_eq!(of("2024-01-01 00:00:00.5+00", "2024-01-01 00:00:00+00", &PgType::Timestamptz), Some(Ordering::Greater));
        for text in ["infinity", "10024-01-01", "0044-03-15 BC", "2024-01-01 00:00:00+02"] {
            assert_eq!(of(text, "2024-01-01", &PgType::Timestamptz), None, "{text}");
        }
        assert_eq!(of("9", "10", &PgType::Text), None);
    }

    #[test]
    fn what_a_literal_is_kept_as_is_what_computing_it_gives() {
        let of = |sql, ty| literal_as_kept(sql, &Column::new("a".into(), ty));
        assert_eq!(of("007", PgType::Int4).as_deref(), Some("7"));
        assert_eq!(of("-1", PgType::Int2).as_deref(), Some("-1"));
        assert_eq!(of("'it is'", PgType::Text).as_deref(), Some("it is"));
        for (sql, ty) in
            [("1", PgType::Text), ("1.5", PgType::Int4), ("40000", PgType::Int2), ("'it''s'", PgType::Text), ("'1'", PgType::Int4)]
        {
            assert_eq!(of(sql, ty), None, "{sql}");
        }
    }
}
