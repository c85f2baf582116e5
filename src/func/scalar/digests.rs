//! Digests, and what is made of them: `digest` and `hmac` of the extension pgcrypto, and the UUIDs of names of uuid-ossp (RFC 4122).
//! Where a digest does for PostgreSQL, it is no protection of passwords: `crypt` there is not.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, FixedSizeBinaryArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use md5::{Digest, Md5};
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::define::{Function, Rule, TEXT, each, fixed, text};
use crate::data::sha1;
use crate::error::{Error, Result, code};

const BYTES: DataType = DataType::Binary;
const UUID: DataType = DataType::FixedSizeBinary(16);

pub fn functions() -> Vec<Arc<ScalarUDF>> {
    let names: Rule = |types| fixed(types, &[UUID, TEXT], 0, UUID);
    vec![
        Function::udf("digest", |types| data_rule(types, 1), digested),
        Function::udf("hmac", |types| data_rule(types, 2), authenticated),
        Function::udf("uuid_generate_v3", names, |args, _| named(args, 3, |bytes| Md5::digest(bytes).to_vec())),
        Function::udf("uuid_generate_v5", names, |args, _| named(args, 5, |bytes| sha1::digest(bytes).to_vec())),
    ]
}

/// So many arguments of bytes or all of text, and the name of an algorithm.
fn data_rule(types: &[DataType], data: usize) -> Option<(Vec<DataType>, DataType)> {
    let (given, name) = types.split_at_checked(data)?;
    let kind = if given.contains(&BYTES) { BYTES } else { TEXT };
    let fits = |ty: &DataType| *ty == kind || ty.is_string() || ty.is_null();
    let named = matches!(name, [name] if name.is_string() || name.is_null());
    (named && given.iter().all(fits)).then(|| (std::iter::repeat_n(kind, data).chain([TEXT]).collect(), BYTES))
}

/// The hash of bytes.
type HashFunction = fn(&[u8]) -> Vec<u8>;

/// An algorithm.
struct Algorithm {
    /// The bytes that it takes at once.
    block: usize,
    digest: HashFunction,
}

impl Algorithm {
    /// Errors: 22023 for a name of none, `what` says what of.
    fn find(name: &str) -> Result<Algorithm> {
        let (block, digest): (usize, HashFunction) = match name.to_ascii_lowercase().as_str() {
            "md5" => (64, |bytes| Md5::digest(bytes).to_vec()),
            "sha1" => (64, |bytes| sha1::digest(bytes).to_vec()),
            "sha224" => (64, |bytes| Sha224::digest(bytes).to_vec()),
            "sha256" => (64, |bytes| Sha256::digest(bytes).to_vec()),
            "sha384" => (128, |bytes| Sha384::digest(bytes).to_vec()),
            "sha512" => (128, |bytes| Sha512::digest(bytes).to_vec()),
            _ => {
                let error = Error::new(code::INVALID_PARAMETER_VALUE, format!("Cannot use \"{name}\": No such hash algorithm"));
                return Err(error.hint("There are md5, sha1, sha224, sha256, sha384 and sha512."));
            }
        };
        Ok(Algorithm { block, digest })
    }

    /// The keyed hash of RFC 2104.
    fn keyed(&self, data: &[u8], key: &[u8]) -> Vec<u8> {
        let mut block = if key.len() > self.block { (self.digest)(key) } else { key.to_vec() };
        block.resize(self.block, 0);
        let padded = |with: u8| block.iter().map(move |byte| byte ^ with);
        let inner: Vec<u8> = padded(0x36).chain(data.iter().copied()).collect();
        let outer: Vec<u8> = padded(0x5c).chain((self.digest)(&inner)).collect();
        (self.digest)(&outer)
    }
}

/// The bytes of argument `i`, those of a text as it is stored.
fn bytes(args: &[ArrayRef], i: usize, row: usize) -> &[u8] {
    match args[i].data_type() {
        DataType::Binary => args[i].as_binary::<i32>().value(row),
        _ => text(args, i).value(row).as_bytes(),
    }
}

fn digested(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| Ok((Algorithm::find(text(args, 1).value(row))?.digest)(bytes(args, 0, row))))?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

fn authenticated(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rows = each(args, |row| {
        let algorithm = Algorithm::find(text(args, 2).value(row))?;
        Ok(algorithm.keyed(bytes(args, 0, row), bytes(args, 1, row)))
    })?;
    Ok(Arc::new(rows.into_iter().collect::<BinaryArray>()))
}

/// The UUIDs of names within name spaces.
fn named(args: &[ArrayRef], version: u8, digest: fn(&[u8]) -> Vec<u8>) -> Result<ArrayRef> {
    let spaces = args[0].as_fixed_size_binary();
    let rows = each(args, |row| {
        let mut uuid = digest(&[spaces.value(row), text(args, 1).value(row).as_bytes()].concat());
        uuid.truncate(16);
        uuid[6] = uuid[6] & 0x0f | version << 4;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        Ok(uuid)
    })?;
    Ok(Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(rows.into_iter(), 16)?))
}
