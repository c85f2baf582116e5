//! Scalar functions of ksqlDB's dialect, a family a file.

pub mod array;
pub mod bytes;
pub mod conditional;
pub mod json;
pub mod lambda;
pub mod legacy;
pub mod map;
pub mod mask;
pub mod math;
pub mod search;
pub mod string;
pub mod time;
pub mod url;
