//! The data sets of `tests/reference/glmm_*.txt` as designs.

use super::{Data, TermData};
use rlmm_core::covariance::RelCov;

const CBPP: &str = include_str!("../../../../../tests/reference/glmm_cbpp.txt");
const CONTRACEPTION: &str =
    include_str!("../../../../../tests/reference/glmm_contraception.txt");
const GROUSETICKS: &str =
    include_str!("../../../../../tests/reference/glmm_grouseticks.txt");
const PERSONS: &str =
    include_str!("../../../../../tests/reference/glmm_verbagg_persons.txt");
const ITEMS: &str =
    include_str!("../../../../../tests/reference/glmm_verbagg_items.txt");

fn lines(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().skip(1).map(|line| line.split(' ').collect())
}

fn columns(table: &str) -> Vec<Vec<f64>> {
    let mut columns = Vec::new();
    for line in lines(table) {
        columns.resize(line.len(), Vec::new());
        columns
            .iter_mut()
            .zip(line)
            .for_each(|(column, text)| column.push(text.parse().unwrap()));
    }
    columns
}

// Treatment contrasts of the levels 2, 3, ..., highest.
fn dummies(codes: &[f64], highest: u32) -> Vec<f64> {
    (2..=highest)
        .flat_map(|level| {
            codes
                .iter()
                .map(move |&c| f64::from(u8::from(c == f64::from(level))))
        })
        .collect()
}

fn term(codes: &[f64], theta: usize) -> TermData {
    let refs: Vec<i32> = codes.iter().map(|&c| c as i32).collect();
    let n_levels = *refs.iter().max().unwrap() as usize;
    TermData {
        refs,
        n_levels,
        z: None,
        cov: RelCov::unstructured(1, theta),
    }
}

fn data(y: Vec<f64>, x: &[&[f64]], terms: Vec<TermData>) -> Data {
    let mut columns = vec![1.0; y.len()];
    x.iter().for_each(|c| columns.extend_from_slice(c));
    Data {
        x: columns,
        y,
        weights: None,
        offset: None,
        terms,
    }
}

/// `incidence / size ~ period + (1 | herd)`
pub fn cbpp() -> Data {
    let c = columns(CBPP);
    let y = c[2].iter().zip(&c[3]).map(|(a, b)| a / b).collect();
    let mut data = data(y, &[&dummies(&c[1], 4)], vec![term(&c[0], 0)]);
    data.weights = Some(c[3].clone());
    data
}

/// `use ~ 1 + age + age^2 + livch + urban + (1 | district)`, or `(1 + urban | district)` without
/// `urban`
pub fn contraception(slopes: bool) -> Data {
    let c = columns(CONTRACEPTION);
    let y = c[4].iter().map(|v| v - 1.0).collect();
    let squared: Vec<f64> = c[3].iter().map(|a| a * a).collect();
    let urban = dummies(&c[2], 2);
    let mut district = term(&c[0], 0);
    if slopes {
        let z = std::iter::repeat_n(1.0, urban.len())
            .chain(urban.iter().copied())
            .collect();
        (district.z, district.cov) = (Some(z), RelCov::unstructured(2, 0));
    }
    data(
        y,
        &[&c[3], &squared, &dummies(&c[1], 4), &urban],
        vec![district],
    )
}

/// `TICKS ~ YEAR + HEIGHT + (1 | INDEX) + (1 | BROOD) + (1 | LOCATION)`
pub fn grouseticks() -> Data {
    let c = columns(GROUSETICKS);
    let height: Vec<f64> = c[4].iter().map(|h| h - 460.0).collect();
    let terms = vec![term(&c[0], 0), term(&c[1], 1), term(&c[2], 2)];
    data(c[5].clone(), &[&dummies(&c[3], 3), &height], terms)
}

/// `r2 ~ 1 + Anger + Gender + btype + situ (+ mode) + (1 | id) + (1 | item)`
pub fn verb_agg(with_mode: bool) -> Data {
    let items = columns(ITEMS);
    let (mut y, mut rows) = (Vec::new(), vec![Vec::new(); 7]);
    for (person, line) in lines(PERSONS).enumerate() {
        for (item, answer) in line[2].chars().enumerate() {
            y.push(f64::from(u8::from(answer == '1')));
            let [anger, gender] =
                [line[0], line[1]].map(|text| text.parse().unwrap());
            let id = [person as f64 + 1.0, item as f64 + 1.0];
            let row = [
                id[0],
                id[1],
                anger,
                gender,
                items[0][item],
                items[1][item],
                items[2][item],
            ];
            rows.iter_mut()
                .zip(row)
                .for_each(|(column, value)| column.push(value));
        }
    }
    let [gender, btype, situ, mode] = [(3, 2), (4, 3), (5, 2), (6, 2)]
        .map(|(j, levels)| dummies(&rows[j], levels));
    let mut x: Vec<&[f64]> = vec![&rows[2], &gender, &btype, &situ];
    if with_mode {
        x.push(&mode);
    }
    data(y, &x, vec![term(&rows[0], 0), term(&rows[1], 1)])
}
