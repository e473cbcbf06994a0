//! Conversion of sums between R's lists and the core; SPEC.md describes their elements.

use extendr_api::prelude::*;
use rlmm_core::factor::blocks::Blocks;
use rlmm_core::factor::sums::{PairSums, Sums, TermSums};
use rlmm_core::kernels::small;
use rlmm_core::{Error, Result};

use crate::fields::{missing, Fields};
use crate::values::{array, columns_of, list, Pairs};

/// Converts sums to a list.
pub fn sums_list(sums: &Sums) -> Robj {
    let p = sums.p();
    let terms = sums.terms.iter().map(|term| term_list(p, term));
    let pairs = sums.pairs.iter().map(|pair| pair_list(sums, pair));
    list(vec![
        ("n_eff", Robj::from(sums.n_eff as f64)),
        ("sum_log_weights", Robj::from(sums.sum_log_weights)),
        ("shift", Robj::from(&sums.shift)),
        ("beta0", Robj::from(&sums.beta0)),
        ("xx", array(&sums.xx, &[p, p])),
        ("xr", Robj::from(&sums.xr)),
        ("rr", Robj::from(sums.rr)),
        ("yy", Robj::from(sums.yy)),
        ("terms", List::from_values(terms).into_robj()),
        ("pairs", List::from_values(pairs).into_robj()),
    ])
}

fn term_list(p: usize, term: &TermSums) -> Robj {
    let k = term.k;
    let n_levels = term.n_levels;
    list(vec![
        ("zz", array(term.zz.values(), &[k, k, n_levels])),
        ("xz", array(term.xz.values(), &[p, k, n_levels])),
        ("zr", array(&term.zr, &[k, n_levels])),
    ])
}

fn pair_list(sums: &Sums, pair: &PairSums) -> Robj {
    let (a, b) = pair.terms;
    let dim = [sums.terms[a].k, sums.terms[b].k, pair.levels.len()];
    let first = pair.levels.iter().map(|levels| levels.0 as i32 + 1);
    let second = pair.levels.iter().map(|levels| levels.1 as i32 + 1);
    let pairs: Pairs = vec![
        ("terms", Robj::from([a as i32 + 1, b as i32 + 1])),
        ("a", Robj::from(first.collect::<Vec<i32>>())),
        ("b", Robj::from(second.collect::<Vec<i32>>())),
        ("zz", array(pair.zz.values(), &dim)),
    ];
    list(pairs)
}

/// Reads the sums of a spec.
///
/// # Errors
/// `Dimension` if an element is missing or has the wrong length.
pub fn sums(of: &Fields) -> Result<Sums> {
    let shift = of.numbers("shift");
    let terms: Vec<TermSums> = of
        .list_of_fields("terms")?
        .iter()
        .map(|term| term_sums(shift.len(), term))
        .collect::<Result<_>>()?;
    let pairs = of.list_of_fields("pairs")?;
    let pairs = pairs.iter().map(|pair| pair_sums(&terms, pair));
    Ok(Sums {
        n_eff: of.number("n_eff").ok_or_else(|| missing("n_eff"))? as usize,
        sum_log_weights: of.number("sum_log_weights").unwrap_or(0.0),
        beta0: of.numbers("beta0"),
        xx: of.numbers("xx"),
        xr: of.numbers("xr"),
        rr: of.number("rr").ok_or_else(|| missing("rr"))?,
        yy: of.number("yy").ok_or_else(|| missing("yy"))?,
        pairs: pairs.collect::<Result<_>>()?,
        shift,
        terms,
    })
}

/// Reads the matrix M of each term with which the given columns of Z are `Q M'` for the columns Q
/// of the sums; the identity if it is missing.
///
/// # Errors
/// `Dimension` if a matrix has the wrong size.
pub fn summed_columns(of: &Fields, sums: &Sums) -> Result<Vec<Vec<f64>>> {
    let given = columns_of(of.element("summed")).into_iter();
    let mut given = given.map(|m| m.as_real_vector());
    let mut found = Vec::new();
    for term in &sums.terms {
        let m = given.next().flatten();
        let m = m.unwrap_or_else(|| small::identity(term.k));
        let expected = term.k * term.k;
        if m.len() != expected {
            return Err(Error::Dimension {
                what: "summed",
                expected,
                found: m.len(),
            });
        }
        found.push(m);
    }
    Ok(found)
}

fn term_sums(p: usize, term: &Fields) -> Result<TermSums> {
    let k = dimension(term, "zz");
    let zr = term.numbers("zr");
    let n_levels = zr.len() / k.max(1);
    Ok(TermSums {
        k,
        n_levels,
        zz: blocks(k, k, n_levels, term.numbers("zz"))?,
        xz: blocks(p, k, n_levels, term.numbers("xz"))?,
        zr,
    })
}

fn pair_sums(terms: &[TermSums], pair: &Fields) -> Result<PairSums> {
    // Indices are 1-based in R: zero becomes a level that does not exist.
    let indices = |name| -> Result<Vec<usize>> {
        let values = pair.integers(name)?.into_iter();
        Ok(values.map(|i| i.wrapping_sub(1)).collect())
    };
    let of_pair = indices("terms")?;
    let (Some(a), Some(b)) = (of_pair.first(), of_pair.get(1)) else {
        return Err(missing("terms"));
    };
    let (Some(ta), Some(tb)) = (terms.get(*a), terms.get(*b)) else {
        return Err(missing("terms"));
    };
    let levels = indices("a")?.into_iter().zip(indices("b")?);
    let levels: Vec<(u32, u32)> =
        levels.map(|(a, b)| (a as u32, b as u32)).collect();
    let zz = blocks(ta.k, tb.k, levels.len(), pair.numbers("zz"))?;
    Ok(PairSums {
        terms: (*a, *b),
        levels,
        zz,
    })
}

// The first dimension of an array.
fn dimension(of: &Fields, name: &'static str) -> usize {
    let dim = of.element(name).get_attrib("dim");
    let dim = dim.and_then(|dim| dim.as_integer_vector());
    dim.and_then(|dim| dim.first().copied()).unwrap_or(0).max(0) as usize
}

fn blocks(
    rows: usize,
    k: usize,
    count: usize,
    values: Vec<f64>,
) -> Result<Blocks> {
    let mut blocks = Blocks::zeros(rows, k, count);
    let expected = blocks.values().len();
    let found = values.len();
    if expected != found {
        return Err(Error::Dimension {
            what: "sums",
            expected,
            found,
        });
    }
    blocks.values_mut().copy_from_slice(&values);
    Ok(blocks)
}
