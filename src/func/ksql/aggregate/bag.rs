//! A sorted multiset in a [`Value`]: what aggregates keep that must find the next value when one is taken back.
//!
//! It is an array of chunks, each a map of values to how many there are of them, all in ascending order. Two levels, since an
//! insertion into one long array would move half of it; and only the chunk that changes is ever copied.

use std::cmp::Ordering;
use std::sync::Arc;

use super::state::{broken, list};
use crate::error::Result;
use crate::func::ksql::Value;

/// The values of a chunk at most; a full one is split in halves.
const CHUNK: usize = 256;

/// A bag of nothing.
pub(super) fn empty() -> Value {
    Value::array(Vec::new())
}

/// A total order over all values, equal where values are equal: that of SQL where it has one, maps by their sorted entries.
pub(super) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => lists(a.iter(), b.iter()),
        (Value::Struct(a), Value::Struct(b)) => lists(a.values.iter(), b.values.iter()),
        (Value::Map(a), Value::Map(b)) => {
            let sorted = |map: &[(Value, Value)]| {
                let mut entries: Vec<(Value, Value)> = map.to_vec();
                entries.sort_by(|(k, _), (l, _)| order(k, l));
                entries.into_iter().flat_map(|(k, v)| [k, v]).collect::<Vec<Value>>()
            };
            lists(sorted(a).iter(), sorted(b).iter())
        }
        _ => a.compare(b).unwrap_or_else(|| kind(a).cmp(&kind(b))),
    }
}

fn lists<'v>(mut a: impl Iterator<Item = &'v Value>, mut b: impl Iterator<Item = &'v Value>) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) => match order(x, y) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// Sets values of different kinds apart, which one bag never holds.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Boolean(_) => 1,
        Value::Int(_) | Value::Bigint(_) | Value::Double(_) | Value::Decimal(_) => 2,
        Value::String(_) => 3,
        Value::Bytes(_) => 4,
        Value::Date(_) | Value::Time(_) | Value::Timestamp(_) => 5,
        Value::Array(_) => 6,
        Value::Map(_) => 7,
        Value::Struct(_) => 8,
    }
}

fn first_of(chunk: &Value) -> Option<&Value> {
    chunk.as_map()?.first().map(|(k, _)| k)
}

/// Adds a value so many times, or takes it away if `times` is negative; what is not there is not taken. Tells how many more
/// distinct values there are now: 1, 0 or -1.
pub(super) fn add(bag: &mut Value, value: &Value, times: i64) -> Result<i64> {
    let chunks = list(bag)?;
    let after = chunks.partition_point(|chunk| first_of(chunk).is_some_and(|first| order(first, value) != Ordering::Greater));
    let at = after.saturating_sub(1);
    let entries = match chunks.get_mut(at) {
        Some(Value::Map(entries)) => Arc::make_mut(entries),
        Some(_) => return Err(broken()),
        None if times > 0 => {
            chunks.push(Value::Map(Arc::new(vec![(value.clone(), Value::Bigint(times))])));
            return Ok(1);
        }
        None => return Ok(0),
    };
    match entries.binary_search_by(|(k, _)| order(k, value)) {
        Ok(found) => {
            let left = entries[found].1.as_i64().unwrap_or(0).saturating_add(times);
            if left > 0 {
                entries[found].1 = Value::Bigint(left);
                return Ok(0);
            }
            entries.remove(found);
            if entries.is_empty() {
                chunks.remove(at);
            }
            Ok(-1)
        }
        Err(_) if times <= 0 => Ok(0),
        Err(place) => {
            entries.insert(place, (value.clone(), Value::Bigint(times)));
            if entries.len() > CHUNK {
                let upper = entries.split_off(CHUNK / 2);
                chunks.insert(at + 1, Value::Map(Arc::new(upper)));
            }
            Ok(1)
        }
    }
}

/// Adds all of another bag; tells how many more distinct values there are.
pub(super) fn merge(bag: &mut Value, other: &Value) -> Result<i64> {
    let mut more = 0;
    for (value, times) in entries(other) {
        more += add(bag, value, times.as_i64().unwrap_or(0))?;
    }
    Ok(more)
}

/// The values, ascending, with how many there are of each.
pub(super) fn entries(bag: &Value) -> impl DoubleEndedIterator<Item = &(Value, Value)> {
    bag.as_array().unwrap_or(&[]).iter().flat_map(|chunk| chunk.as_map().unwrap_or(&[]))
}

/// The values, ascending, each once.
pub(super) fn values(bag: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    entries(bag).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bag_is_a_sorted_multiset() {
        let mut bag = empty();
        let mut model = std::collections::BTreeMap::new();
        let mut seed = 7_u64;
        for step in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = (seed >> 33) as i32 % 1500;
            let times = if step > 10_000 && seed >> 63 == 0 { -1 } else { 1 };
            let before = model.len() as i64;
            let count = model.entry(value).or_insert(0_i64);
            *count += times;
            if *count <= 0 {
                model.remove(&value);
            }
            assert_eq!(add(&mut bag, &Value::Int(value), times).unwrap(), model.len() as i64 - before);
        }
        assert!(bag.as_array().unwrap().len() > 4);
        let held: Vec<(i32, i64)> = entries(&bag).map(|(v, n)| (v.as_i64().unwrap() as i32, n.as_i64().unwrap())).collect();
        assert_eq!(held, model.into_iter().collect::<Vec<_>>());
        for value in values(&bag.clone()) {
            add(&mut bag, value, i64::MIN / 2).unwrap();
        }
        assert_eq!(bag, empty());
    }

    #[test]
    fn maps_order_whatever_the_order_of_their_entries() {
        let map = |entries: &[(&str, i32)]| Value::map(entries.iter().map(|(k, v)| (Value::text(k), Value::Int(*v))));
        assert_eq!(order(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 2), ("a", 1)])), Ordering::Equal);
        assert_eq!(order(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 3), ("a", 1)])), Ordering::Less);
    }
}
