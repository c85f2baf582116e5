//! Scalar functions that DataFusion lacks or does otherwise (manual, chapter 9). One function, one entry in one of the lists.

pub mod apart;
pub mod arrays;
pub mod assigned;
mod buckets;
mod byte_parts;
pub mod bytes;
mod collected;
mod concatenation;
pub mod define;
mod digests;
mod divisors;
pub mod exact;
mod format;
pub mod greatest;
pub mod growing;
mod hashing;
pub mod in_turn;
mod joined_arrays;
mod json_build;
mod jsonb;
mod jsonb_edit;
pub mod jsonb_order;
pub mod jsonpath;
pub mod math;
pub mod network;
pub mod overloads;
pub mod partition_hash;
mod pattern;
mod pattern_number;
mod pattern_read;
pub mod places;
mod planner;
mod powers;
mod records;
mod regex_text;
mod regexps;
mod row;
pub mod series;
mod sets;
mod similar;
pub mod slices;
mod spans;
mod strings;
pub mod system_columns;
pub mod times;
pub mod to_char;
pub mod trunc;
pub mod windows;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub use planner::Syntax;

/// All of them, for the registry.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        math::functions(),
        divisors::functions(),
        network::functions(),
        assigned::functions(),
        powers::functions(),
        times::functions(),
        to_char::functions(),
        strings::functions(),
        system_columns::functions(),
        growing::functions(),
        hashing::functions(),
        digests::functions(),
        apart::functions(),
        arrays::functions(),
        buckets::functions(),
        bytes::functions(),
        overloads::functions(),
        partition_hash::functions(),
        places::functions(),
        format::functions(),
        regexps::functions(),
        similar::functions(),
        slices::functions(),
        spans::functions(),
        json_build::functions(),
        jsonb::functions(),
        jsonb_edit::functions(),
        jsonb_order::functions(),
        jsonpath::functions(),
        trunc::functions(),
        windows::functions(),
        collected::functions(),
        series::functions(),
        records::functions(),
        vec![row::row()],
        sets::functions(),
    ]
    .concat()
}
