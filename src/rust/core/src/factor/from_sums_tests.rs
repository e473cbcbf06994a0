//! Cross-products from sums compared with those from rows, block by block.

use super::*;
use crate::covariance::{Part, Structure};
use crate::derivatives::tests::{part, us, Data, Levels};
use crate::design::Design;
use crate::error::Error;
use crate::factor::blocks::Blocks;
use crate::factor::sums::TermSums;
use crate::factor::sums_of_rows::Centre;
use crate::kernels::small;

// The sums of a design computed row by row, as a database would, with given centring and
// least-squares fit.
fn sums(design: &Design, shift: &[f64], beta0: &[f64]) -> Sums {
    let (n, p) = (design.n(), design.p());
    let row = |i: usize| -> Vec<f64> {
        let centred =
            |j: usize| design.x.value(i, j) - shift[j] * design.x.value(i, 0);
        (0..p).map(centred).collect()
    };
    let rows: Vec<Vec<f64>> = (0..n).map(row).collect();
    let r: Vec<f64> = (0..n)
        .map(|i| design.response(i) - small::dot(beta0, &rows[i]))
        .collect();
    let w = |i: usize| design.weight(i);
    let mut all = Sums {
        n_eff: design.n_eff(),
        sum_log_weights: (0..n).map(|i| w(i).ln()).sum(),
        shift: shift.to_vec(),
        beta0: beta0.to_vec(),
        xx: vec![0.0; p * p],
        xr: vec![0.0; p],
        rr: (0..n).map(|i| w(i) * r[i] * r[i]).sum(),
        yy: (0..n).map(|i| w(i) * design.response(i).powi(2)).sum(),
        terms: (0..design.terms.len())
            .map(|t| term_sums(design, t, &rows, &r))
            .collect(),
        pairs: Vec::new(),
    };
    for (i, x) in rows.iter().enumerate() {
        small::axpy(w(i) * r[i], x, &mut all.xr);
        (0..p).for_each(|j| {
            small::axpy(w(i) * x[j], x, &mut all.xx[j * p..(j + 1) * p])
        });
    }
    // Some pairs have the later term first.
    for b in 0..design.terms.len() {
        for a in 0..b {
            let (a, b) = if (a + b) % 2 == 0 { (b, a) } else { (a, b) };
            all.pairs.push(pair_sums(design, a, b));
        }
    }
    all
}

fn term_sums(
    design: &Design,
    t: usize,
    rows: &[Vec<f64>],
    r: &[f64],
) -> TermSums {
    let (term, p) = (&design.terms[t], design.p());
    let (k, n_levels) = (term.vsize(), term.n_levels);
    let mut sums = TermSums {
        k,
        n_levels,
        zz: Blocks::squares(k, n_levels),
        xz: Blocks::zeros(p, k, n_levels),
        zr: vec![0.0; k * n_levels],
    };
    let mut z = vec![0.0; k];
    for (i, x) in rows.iter().enumerate() {
        let (level, w) = (term.level(i), design.weight(i));
        term.row(i, &mut z);
        small::axpy(w * r[i], &z, &mut sums.zr[level * k..(level + 1) * k]);
        for j in 0..k {
            let xz = &mut sums.xz.block_mut(level)[j * p..(j + 1) * p];
            small::axpy(w * z[j], x, xz);
            let zz = &mut sums.zz.block_mut(level)[j * k..(j + 1) * k];
            small::axpy(w * z[j], &z, zz);
        }
    }
    sums
}

fn pair_sums(design: &Design, a: usize, b: usize) -> PairSums {
    let (ta, tb) = (&design.terms[a], &design.terms[b]);
    let levels = |i: usize| (ta.level(i) as u32, tb.level(i) as u32);
    let mut found: Vec<(u32, u32)> = (0..design.n()).map(levels).collect();
    found.sort_unstable_by_key(|&(la, lb)| (lb, la));
    found.dedup();
    let mut zz = Blocks::zeros(ta.vsize(), tb.vsize(), found.len());
    for i in 0..design.n() {
        let cell = found.iter().position(|&pair| pair == levels(i)).unwrap();
        let block = zz.block_mut(cell);
        for j in 0..tb.vsize() {
            for l in 0..ta.vsize() {
                block[j * ta.vsize() + l] +=
                    design.weight(i) * ta.value(i, l) * tb.value(i, j);
            }
        }
    }
    PairSums {
        terms: (a, b),
        levels: found,
        zz,
    }
}

fn assert_close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(0.0f64, |size, v| size.max(v.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-12 * size, "{what}: {f} {e}");
    }
}

// Compares sums of rows with sums for each pair of levels.
fn check_rows(name: &str, design: &Design, given: &Sums) {
    let centre = Centre {
        shift: given.shift.clone(),
        beta0: given.beta0.clone(),
    };
    let found = Sums::from_rows(design, &centre).unwrap();
    assert_eq!((found.n_eff, found.p()), (given.n_eff, given.p()));
    let numbers = |sums: &Sums| vec![sums.sum_log_weights, sums.rr, sums.yy];
    assert_close(name, &numbers(&found), &numbers(given));
    assert_close(name, &found.xx, &given.xx);
    for (found, given) in found.terms.iter().zip(&given.terms) {
        assert_close(name, found.zz.values(), given.zz.values());
        assert_close(name, found.xz.values(), given.xz.values());
        assert_close(name, &found.zr, &given.zr);
    }
    for pair in &found.pairs {
        let (a, b) = pair.terms;
        let expected = pair_sums(design, a, b);
        assert_eq!(pair.levels, expected.levels, "{name}");
        assert_close(name, pair.zz.values(), expected.zz.values());
    }
}

fn check(name: &str, data: &Data) {
    let design = data.design();
    let (rows, response) = CrossProducts::from_rows(&design).unwrap();
    let given = sums(&design, &rows.border.shift, &response.beta0);
    check_rows(name, &design, &given);
    let (found, of_response) =
        CrossProducts::from_sums(&given, &Room::default())
            .unwrap()
            .unwrap();
    assert_eq!(found.leading.ptr, rows.leading.ptr, "{name}");
    assert_eq!(found.leading.rows, rows.leading.rows, "{name}");
    let firsts = |layout: &Layout| -> Vec<u32> {
        layout
            .blocks
            .iter()
            .flat_map(|block| block.first.clone())
            .collect()
    };
    assert_eq!(firsts(&found.layout), firsts(&rows.layout), "{name}");
    let of = |a: &CrossProducts, r: &ResponseSums| {
        vec![
            a.leading.a00.values().to_vec(),
            a.leading.ax0.values().to_vec(),
            a.leading.vals.clone(),
            a.trailing.cross_products(),
            a.trailing.border_cross_products().to_vec(),
            r.products.leading.clone(),
            r.products.trailing.clone(),
            r.residual_ss.clone(),
            r.total_ss.clone(),
            r.beta0.clone(),
        ]
    };
    let parts = of(&found, &of_response)
        .into_iter()
        .zip(of(&rows, &response));
    parts.for_each(|(found, expected)| assert_close(name, &found, &expected));
    // Both are zero except for rounding errors.
    let size = given.yy.sqrt()
        * given.xx.iter().fold(0.0f64, |a, v| a.max(v.abs())).sqrt();
    for (f, e) in of_response
        .products
        .fixed
        .iter()
        .zip(&response.products.fixed)
    {
        assert!((f - e).abs() <= 1e-12 * size, "{name}: {f} {e}");
    }
    let theta: Vec<f64> = (0..design.n_theta())
        .map(|j| [0.7, 0.2, 0.9][j % 3])
        .collect();
    let objective = |a: CrossProducts, r: ResponseSums| {
        let mut factor = crate::factor::Factor::new(a, design.covs());
        factor.update(&theta).unwrap();
        let mut response = crate::factor::Response::new(r);
        response.update(&factor).unwrap();
        vec![factor.log_det_re(), factor.log_det_fe(), response.pwrss()]
    };
    let expected = objective(rows, response);
    for (f, e) in objective(found, of_response).iter().zip(&expected) {
        assert!((f - e).abs() <= 1e-11 * e.abs(), "{name}: {f} {e}");
    }
}

fn levels(count: usize, factor: usize) -> Levels {
    Box::new(move |i| (i * factor + i / 7) % count)
}

#[test]
fn sums_and_rows_agree() {
    let data = |n, p, terms: Vec<(Levels, Vec<Part>)>| Data::new(n, p, terms);
    let one = |parts| data(120, 2, vec![(levels(11, 3), parts)]);
    check("one factor", &one(vec![us(1, 0)]));
    check("slopes", &one(vec![us(3, 0)]));
    check(
        "two parts",
        &one(vec![us(2, 0), part(Structure::Diagonal, 2, 3)]),
    );
    check("weights", &one(vec![us(2, 0)]).weighted());
    let crossed = |p, a: Vec<Part>, b: Vec<Part>| {
        data(400, p, vec![(levels(20, 3), a), (levels(31, 5), b)])
    };
    check("crossed", &crossed(3, vec![us(1, 0)], vec![us(1, 1)]));
    check(
        "crossed, slopes",
        &crossed(1, vec![us(2, 0)], vec![us(3, 3)]).weighted(),
    );
    check(
        "crossed, full",
        &crossed(6, vec![us(4, 0)], vec![us(3, 10)]),
    );
    check(
        "no fixed effects",
        &crossed(0, vec![us(2, 0)], vec![us(1, 3)]),
    );
    let three = vec![
        (levels(8, 3), vec![us(1, 0)]),
        (levels(30, 5), vec![us(2, 1)]),
        (levels(13, 11), vec![us(3, 4)]),
    ];
    check("three factors", &data(500, 2, three));
}

#[test]
fn sparse_chains_agree() {
    let nested =
        |divisor: usize| -> Levels { Box::new(move |i| i % 900 / divisor) };
    let terms = vec![
        (nested(9), vec![us(1, 0)]),
        (nested(1), vec![us(1, 1)]),
        (nested(2), vec![us(2, 2)]),
    ];
    let data = Data::new(2000, 2, terms).weighted();
    let (rows, _) = CrossProducts::from_rows(&data.design()).unwrap();
    assert!(!rows.trailing.is_dense());
    check("nested", &data);
}

#[test]
fn sums_that_do_not_fit_are_refused() {
    let data = Data::new(
        60,
        2,
        vec![
            (levels(5, 3), vec![us(2, 0)]),
            (levels(4, 7), vec![us(1, 3)]),
        ],
    );
    let design = data.design();
    let given = sums(&design, &[0.0, 0.0], &[0.0, 0.0]);
    assert!(CrossProducts::from_sums(&given, &Room::default()).is_ok());
    let mut short = given.clone();
    short.terms[1].zr.pop();
    assert!(CrossProducts::from_sums(&short, &Room::default()).is_err());
    let mut unknown = given.clone();
    unknown.pairs[0].levels[3].0 = 77;
    assert!(matches!(
        CrossProducts::from_sums(&unknown, &Room::default()),
        Err(Error::Level { .. })
    ));
    let mut elsewhere = given;
    elsewhere.pairs[0].terms.1 = 2;
    assert!(CrossProducts::from_sums(&elsewhere, &Room::default()).is_err());
}
