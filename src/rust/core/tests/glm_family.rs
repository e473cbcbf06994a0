//! Families and links against R's: `linkinv`, `mu.eta`, `variance`, `dev.resids` and the densities
//! of package stats (R 4.2.2, MASS for the negative binomial), and their derivatives against
//! differences.

use rlmm_core::glmm::families::{Family, Link};
use Family::{
    Binomial, Gamma, Gaussian, InverseGaussian, NegativeBinomial,
    NegativeBinomialLinear, Poisson,
};
use Link::{
    Cauchit, Cloglog, Identity, Inverse, InverseSquare, Log, Logit, Probit,
    Sqrt,
};

/// Prior weight; the number of trials.
const W: f64 = 6.0;

// Family, link, eta, mu, d mu / d eta, variance, deviance, log density. Responses are those of
// `response()`.
type Row = (Family, Link, f64, f64, f64, f64, f64, f64);

const REFERENCE: [Row; 45] = [
    (
        Binomial,
        Logit,
        -3.0,
        0.04742587317756679,
        0.04517665973091214,
        0.04517665973091214,
        4.94487819934715,
        -3.583473908340242,
    ),
    (
        Binomial,
        Logit,
        -0.4,
        0.401312339887548,
        0.2402607457415292,
        0.2402607457415291,
        0.1180130092616776,
        -1.170041313297506,
    ),
    (
        Binomial,
        Logit,
        1.1,
        0.7502601055951176,
        0.1873698795475205,
        0.1873698795475206,
        4.609853881847418,
        -3.415961749590374,
    ),
    (
        Binomial,
        Probit,
        -3.0,
        0.001349898031630095,
        0.004431848411938008,
        0.001348075806934296,
        1.880354134622163e+01,
        -1.051280548177748e+01,
    ),
    (
        Binomial,
        Probit,
        -0.4,
        0.3445782583896758,
        0.3682701403033233,
        0.2258440822348136,
        0.003377139042761379,
        -1.112723378188047,
    ),
    (
        Binomial,
        Probit,
        1.1,
        0.8643339390536173,
        0.2178521770325505,
        0.1172607808536751,
        8.925485081620838,
        -5.573777349477083,
    ),
    (
        Binomial,
        Cloglog,
        -3.0,
        0.0485680070995466,
        0.04736900967790792,
        0.04620915578592499,
        4.8592875473114,
        -3.540678582322367,
    ),
    (
        Binomial,
        Cloglog,
        -0.4,
        0.4884551663109584,
        0.3428987564677318,
        0.2498667168150924,
        0.5904207087060492,
        -1.40624516301969,
    ),
    (
        Binomial,
        Cloglog,
        1.1,
        0.9504199143044331,
        0.1489468089109749,
        0.04712190079798717,
        1.659856367999425e+01,
        -9.410316648663787,
    ),
    (
        Binomial,
        Cauchit,
        -3.0,
        0.1024163823495667,
        0.03183098861837907,
        0.09192726697599408,
        2.341056326911229,
        -2.281562972122281,
    ),
    (
        Binomial,
        Cauchit,
        -0.4,
        0.3788810584091566,
        0.2744050742963712,
        0.2353302019879139,
        0.05382325759076267,
        -1.137946437462048,
    ),
    (
        Binomial,
        Cauchit,
        1.1,
        0.7651461721883681,
        0.1440316227075976,
        0.1796975073738563,
        5.022919276496171,
        -3.622494446914752,
    ),
    (
        Binomial,
        Log,
        -2.0,
        0.1353352832366127,
        0.1353352832366127,
        0.1170196443478785,
        1.525137643413118,
        -1.873603630373226,
    ),
    (
        Binomial,
        Log,
        -0.1,
        0.9048374180359595,
        0.9048374180359595,
        0.08610666495797777,
        1.157917766881497e+01,
        -6.900623643074152,
    ),
    (
        Poisson,
        Log,
        -1.0,
        0.3678794411714423,
        0.3678794411714423,
        0.3678794411714423,
        4.396459568610926e+01,
        -3.095783346239698e+01,
    ),
    (
        Poisson,
        Log,
        0.7,
        2.013752707470477,
        2.013752707470477,
        2.013752707470477,
        2.515074881697668,
        -1.023307306019119e+01,
    ),
    (
        Poisson,
        Sqrt,
        0.6,
        0.36,
        1.2,
        0.36,
        4.464948730320327e+01,
        -3.1300279270944e+01,
    ),
    (
        Poisson,
        Sqrt,
        2.5,
        6.25,
        5.0,
        6.25,
        1.257710969711278e+01,
        -1.526409046789875e+01,
    ),
    (
        Poisson,
        Identity,
        0.6,
        0.6,
        1.0,
        0.6,
        2.913976484762761e+01,
        -2.354541804315616e+01,
    ),
    (
        Poisson,
        Identity,
        2.5,
        2.5,
        1.0,
        2.5,
        0.5635760445823657,
        -9.257323641633539,
    ),
    (
        Gamma,
        Inverse,
        0.3,
        3.333333333333333,
        -1.111111111111111e+01,
        1.111111111111111e+01,
        3.97930247830134,
        -9.205047022321342,
    ),
    (
        Gamma,
        Inverse,
        1.7,
        0.5882352941176471,
        -0.3460207612456748,
        0.3460207612456748,
        5.004089813644063,
        -9.937037976137574,
    ),
    (
        Gamma,
        Log,
        -1.0,
        0.3678794411714423,
        0.3678794411714423,
        0.1353352832366127,
        1.525682535035121e+01,
        -1.726042050235697e+01,
    ),
    (
        Gamma,
        Log,
        0.7,
        2.013752707470477,
        2.013752707470477,
        4.055199966844675,
        0.9983595655360948,
        -7.075802084631883,
    ),
    (
        Gamma,
        Identity,
        0.6,
        0.6,
        1.0,
        0.36,
        4.721721341198219,
        -9.735346210104828,
    ),
    (
        Gamma,
        Identity,
        2.5,
        2.5,
        1.0,
        6.25,
        2.087117608879967,
        -7.853486401306077,
    ),
    (
        InverseGaussian,
        InverseSquare,
        0.3,
        1.825741858350554,
        -3.042903097250923,
        6.085806194501846,
        0.3827139253226221,
        -7.078251837135417,
    ),
    (
        InverseGaussian,
        InverseSquare,
        1.7,
        0.7669649888473704,
        -0.2255779378962854,
        0.4511558757925708,
        2.229298842898259,
        -8.397241063975159,
    ),
    (
        InverseGaussian,
        Log,
        -1.0,
        0.3678794411714423,
        0.3678794411714423,
        0.04978706836786395,
        2.963064024553514e+01,
        -2.796962778014436e+01,
    ),
    (
        InverseGaussian,
        Log,
        0.7,
        2.013752707470477,
        2.013752707470477,
        8.166169912567652,
        0.5798172886322317,
        -7.219039953785139,
    ),
    (
        InverseGaussian,
        Inverse,
        0.3,
        3.333333333333333,
        -1.111111111111111e+01,
        3.703703703703705e+01,
        1.717384615384615,
        -8.031588044322554,
    ),
    (
        InverseGaussian,
        Inverse,
        1.7,
        0.5882352941176471,
        -0.3460207612456748,
        0.2035416242621616,
        6.757384615384614,
        -1.163158804432256e+01,
    ),
    (
        Gaussian,
        Log,
        -1.0,
        0.3678794411714423,
        0.3678794411714423,
        1.0,
        5.213092417145176,
        -3.568358767439263,
    ),
    (
        Gaussian,
        Log,
        0.7,
        2.013752707470477,
        2.013752707470477,
        1.0,
        3.056657564528614,
        -2.028048158427432,
    ),
    (
        Gaussian,
        Inverse,
        0.3,
        3.333333333333333,
        -1.111111111111111e+01,
        1.0,
        2.480666666666666e+01,
        -1.75637689456689e+01,
    ),
    (
        Gaussian,
        Inverse,
        1.7,
        0.5882352941176471,
        -0.3460207612456748,
        1.0,
        3.039653979238754,
        -2.015902740363247,
    ),
    (
        NegativeBinomial,
        Log,
        -1.0,
        0.3678794411714423,
        0.3678794411714423,
        0.4220135544660874,
        3.257247878032194e+01,
        -2.773531449238425e+01,
    ),
    (
        NegativeBinomial,
        Log,
        0.7,
        2.013752707470477,
        2.013752707470477,
        3.635832694208347,
        1.30717527113485,
        -1.21026627377907e+01,
    ),
    (
        NegativeBinomial,
        Sqrt,
        0.6,
        0.36,
        1.2,
        0.41184,
        3.317034045436345e+01,
        -2.803424532940501e+01,
    ),
    (
        NegativeBinomial,
        Sqrt,
        2.5,
        6.25,
        5.0,
        2.1875e+01,
        4.221279833765237,
        -1.355971501910591e+01,
    ),
    (
        NegativeBinomialLinear,
        Log,
        -1.0,
        0.3678794411714423,
        0.3678794411714423,
        1.287578044100048,
        7.192938653312321,
        -24.00233306641918,
    ),
    (
        NegativeBinomialLinear,
        Log,
        0.4,
        1.49182469764127,
        1.49182469764127,
        5.221386441744446,
        1.689889976951731,
        -15.85690427317518,
    ),
    (
        NegativeBinomialLinear,
        Log,
        2.0,
        7.38905609893065,
        7.38905609893065,
        25.86169634625728,
        7.009841843259014,
        -14.66700302689852,
    ),
    (
        NegativeBinomialLinear,
        Sqrt,
        1.2,
        1.44,
        2.4,
        5.04,
        1.828756894119952,
        -16.03972480532086,
    ),
    (
        NegativeBinomialLinear,
        Identity,
        2.5,
        2.5,
        1.0,
        8.75,
        0.1540691986052822,
        -13.57307807015404,
    ),
];

fn response(family: Family) -> f64 {
    match family {
        Binomial => 2.0 / 6.0,
        Poisson | NegativeBinomial | NegativeBinomialLinear => 3.0,
        Gamma | InverseGaussian | Gaussian => 1.3,
    }
}

fn shape(family: Family) -> f64 {
    if family.has_dispersion() {
        0.7
    } else if family.has_shape() {
        2.5
    } else {
        1.0
    }
}

fn close(
    what: &str,
    at: (Family, Link, f64),
    found: f64,
    expected: f64,
    tolerance: f64,
) {
    assert!(
        (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
        "{what} {at:?}: {found} {expected}"
    );
}

#[test]
fn agrees_with_r() {
    for (family, link, eta, mu, slope, variance, deviance, log_density) in
        REFERENCE
    {
        let (at, y, shape) =
            ((family, link, eta), response(family), shape(family));
        close("mu", at, link.mean(eta), mu, 1e-14);
        close("slope", at, link.mean_slope(eta), slope, 1e-14);
        close("eta", at, link.eta(mu), eta, 1e-12);
        close("variance", at, family.variance(mu, shape), variance, 1e-14);
        close(
            "deviance",
            at,
            family.deviance(y, W, mu, shape),
            deviance,
            1e-12,
        );
        let contribution = family.contribution(link, y, W, eta, shape);
        close(
            "density",
            at,
            contribution.log_lik + family.constant(y, W, shape),
            log_density,
            1e-12,
        );
        // Expected information: the weight of R's glm() over the dispersion.
        let dispersion = if family.has_dispersion() { shape } else { 1.0 };
        close(
            "weight",
            at,
            contribution.expected,
            W * slope * slope / variance / dispersion,
            1e-12,
        );
        // The likelihood equations of the linear variance are not those of a quasi-likelihood.
        if family == NegativeBinomialLinear {
            continue;
        }
        close(
            "score",
            at,
            contribution.score,
            W * (y - mu) * slope / variance / dispersion,
            1e-12,
        );
    }
}

// Fourth-order difference.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 5e-4 * (x.abs() + 0.2);
    (8.0 * (f(x + h) - f(x - h)) - f(x + 2.0 * h) + f(x - 2.0 * h)) / (12.0 * h)
}

#[test]
fn derivatives_match_differences() {
    for (family, link, eta, ..) in REFERENCE {
        let (shape, at) = (shape(family), (family, link, eta));
        let responses = if family == Binomial {
            vec![0.0, 1.0 / 3.0, 1.0]
        } else {
            vec![response(family), 4.0]
        };
        for y in responses {
            let of = |eta: f64| family.contribution(link, y, W, eta, shape);
            close(
                "score",
                at,
                of(eta).score,
                slope(|x| of(x).log_lik, eta),
                1e-8,
            );
            close(
                "observed",
                at,
                of(eta).observed,
                -slope(|x| of(x).score, eta),
                1e-8,
            );
            close(
                "observed slope",
                at,
                of(eta).observed_slope,
                slope(|x| of(x).observed, eta),
                1e-8,
            );
            close(
                "expected slope",
                at,
                of(eta).expected_slope,
                slope(|x| of(x).expected, eta),
                1e-8,
            );
            let by_shape = |log: f64| {
                let c = family.contribution(link, y, W, eta, log.exp());
                (c.log_lik + family.constant(y, W, log.exp()), c)
            };
            let d = family.shape_derivatives(link, y, W, eta, shape);
            if family.has_shape() {
                let log = shape.ln();
                close(
                    "shape",
                    at,
                    d.log_lik,
                    slope(|x| by_shape(x).0, log),
                    1e-8,
                );
                close(
                    "shape score",
                    at,
                    d.score,
                    slope(|x| by_shape(x).1.score, log),
                    1e-8,
                );
                close(
                    "shape observed",
                    at,
                    d.observed,
                    slope(|x| by_shape(x).1.observed, log),
                    1e-8,
                );
                close(
                    "shape expected",
                    at,
                    d.expected,
                    slope(|x| by_shape(x).1.expected, log),
                    1e-8,
                );
            }
        }
    }
}

// phi, eta = log(mu), y, log density: the product formula in decimals of 80 digits, by Python's
// `decimal`. R's dnbinom() has 1e-9 of it or better, but for means that are large beside y.
#[rustfmt::skip]
const FAR: [(f64, f64, f64, f64); 84] = [
    (1e-06, -700.0, 0.0, -9.859671613924785e-305),
    (1e-06, -700.0, 1.0, -700.0000009999995),
    (1e-06, -700.0, 3.0, -728.7296364045951),
    (1e-06, -700.0, 57.0, -1477.7116995138053),
    (1e-06, -300.0, 0.0, -5.148197648313619e-131),
    (1e-06, -300.0, 1.0, -300.0000009999995),
    (1e-06, -300.0, 3.0, -328.72963640459517),
    (1e-06, -300.0, 57.0, -1077.7116995138053),
    (1e-06, -40.0, 0.0, -4.248352131115878e-18),
    (1e-06, -40.0, 1.0, -40.0000009999995),
    (1e-06, -40.0, 3.0, -68.72963640458879),
    (1e-06, -40.0, 57.0, -817.7116995137858),
    (1e-06, -3.0, 0.0, -0.04978704347434636),
    (1e-06, -3.0, 1.0, -3.0497880434738462),
    (1e-06, -3.0, 3.0, -10.84148925709868),
    (1e-06, -3.0, 57.0, -347.41364805290107),
    (1e-06, 5.0, 0.0, -148.4130848960465),
    (1e-06, 5.0, 1.0, -143.41308589604603),
    (1e-06, 5.0, 3.0, -135.20484734505925),
    (1e-06, 5.0, 57.0, -39.80897954925333),
    (1e-06, 15.0, 0.0, -3269015.737964514),
    (1e-06, 15.0, 1.0, -3269000.737965514),
    (1e-06, 15.0, 3.0, -3268972.5297269835),
    (1e-06, 15.0, 57.0, -3268337.1338699204),
    (1e-06, 30.0, 0.0, -10686469238290.734),
    (1e-06, 30.0, 1.0, -10686469238260.734),
    (1e-06, 30.0, 3.0, -10686469238202.525),
    (1e-06, 30.0, 57.0, -10686469236757.129),
    (0.7, -700.0, 0.0, -7.474032743505646e-305),
    (0.7, -700.0, 1.0, -700.5306282510621),
    (0.7, -700.0, 3.0, -703.4038469297321),
    (0.7, -700.0, 57.0, -754.2626584389473),
    (0.7, -300.0, 0.0, -3.902543543051948e-131),
    (0.7, -300.0, 1.0, -300.5306282510622),
    (0.7, -300.0, 3.0, -303.4038469297321),
    (0.7, -300.0, 57.0, -354.26265843894726),
    (0.7, -40.0, 0.0, -3.2204239833970075e-18),
    (0.7, -40.0, 1.0, -40.53062825106217),
    (0.7, -40.0, 3.0, -43.40384692973208),
    (0.7, -40.0, 57.0, -94.26265843894728),
    (0.7, -3.0, 0.0, -0.037740607162217644),
    (0.7, -3.0, 1.0, -3.568368858224388),
    (0.7, -3.0, 3.0, -6.337934154933578),
    (0.7, -3.0, 57.0, -56.97638938309297),
    (0.7, 5.0, 0.0, -112.50316435601694),
    (0.7, 5.0, 1.0, -108.0337926070791),
    (0.7, 5.0, 3.0, -100.87271419196186),
    (0.7, 5.0, 57.0, -27.208884163078746),
    (0.7, 15.0, 0.0, -2478047.1014953256),
    (0.7, 15.0, 1.0, -2478032.6321235765),
    (0.7, 15.0, 3.0, -2478005.4851389052),
    (0.7, 15.0, 57.0, -2477398.7428122903),
    (0.7, 30.0, 0.0, -8100779024592.378),
    (0.7, 30.0, 1.0, -8100779024562.909),
    (0.7, 30.0, 3.0, -8100779024505.762),
    (0.7, 30.0, 57.0, -8100779023089.02),
    (30.0, -700.0, 0.0, -1.1286001030544462e-305),
    (30.0, -700.0, 1.0, -703.4339872044851),
    (30.0, -700.0, 3.0, -704.5981791387992),
    (30.0, -700.0, 57.0, -709.3132685504072),
    (30.0, -300.0, 0.0, -5.89295122996348e-132),
    (30.0, -300.0, 1.0, -303.43398720448516),
    (30.0, -300.0, 3.0, -304.59817913879925),
    (30.0, -300.0, 57.0, -309.3132685504072),
    (30.0, -40.0, 0.0, -4.86293138426378e-19),
    (30.0, -40.0, 1.0, -43.43398720448515),
    (30.0, -40.0, 3.0, -44.59817913879924),
    (30.0, -40.0, 57.0, -49.31326855040719),
    (30.0, -3.0, 0.0, -0.005698938524135732),
    (30.0, -3.0, 1.0, -6.439686143009282),
    (30.0, -3.0, 3.0, -7.601390443548646),
    (30.0, -3.0, 57.0, -12.311316676608154),
    (30.0, 5.0, 0.0, -16.988296311182207),
    (30.0, 5.0, 1.0, -15.422283515667354),
    (30.0, 5.0, 3.0, -13.558392963282119),
    (30.0, 5.0, 57.0, -5.83066940053674),
    (30.0, 15.0, 0.0, -374192.12761029607),
    (30.0, 15.0, 1.0, -374180.5615975005),
    (30.0, 15.0, 3.0, -374159.22130384773),
    (30.0, 15.0, 57.0, -373709.2460852864),
    (30.0, 30.0, 0.0, -1223240565800.3586),
    (30.0, 30.0, 1.0, -1223240565773.7927),
    (30.0, 30.0, 3.0, -1223240565722.4524),
    (30.0, 30.0, 57.0, -1223240564462.4917),
];

#[test]
fn linear_variance_at_extreme_linear_predictors() {
    for (phi, eta, y, log_density) in FAR {
        let family = NegativeBinomialLinear;
        let at = family.contribution(Log, y, 1.0, eta, phi);
        let found = at.log_lik + family.constant(y, 1.0, phi);
        close("density", (family, Log, eta), found, log_density, 1e-10);
        assert!(
            at.score.is_finite()
                && at.observed.is_finite()
                && at.observed_slope.is_finite()
        );
    }
}

// R's dpois(y, eta^2) and dnbinom(y, mu = eta^2): the same for -eta.
#[test]
fn square_roots_may_be_negative() {
    for family in [Poisson, NegativeBinomial] {
        for y in [0.0, 3.0] {
            let (plus, minus) = (
                family.contribution(Sqrt, y, W, 0.6, 2.5),
                family.contribution(Sqrt, y, W, -0.6, 2.5),
            );
            assert_eq!(
                (plus.log_lik, plus.score, plus.observed),
                (minus.log_lik, -minus.score, minus.observed)
            );
            assert_eq!(
                (plus.expected, plus.expected_slope),
                (minus.expected, -minus.expected_slope)
            );
        }
        for eta in [1e-9, 1e-200, 0.0, -0.0] {
            let near = family.contribution(Sqrt, 0.0, W, eta, 2.5);
            let at = (family, Sqrt, eta);
            close("at zero", at, near.observed, 2.0 * W, 1e-12);
            close("expected at zero", at, near.expected, 4.0 * W, 1e-12);
            assert!(near.log_lik.abs() < 1e-15 && near.score.abs() < 1e-7);
            assert!(near.observed_slope.is_finite());
        }
    }
}

// R clamps its means to the precision of doubles; here the log-likelihood goes on falling.
#[test]
fn binomial_tails() {
    for link in [Logit, Probit, Cloglog, Cauchit] {
        for eta in [-700.0f64, -36.0, 36.0, 400.0] {
            for y in [0.0, 0.5, 1.0] {
                let c = Binomial.contribution(link, y, 1.0, eta, 1.0);
                assert!(
                    c.score.is_finite()
                        && c.observed.is_finite()
                        && c.expected.is_finite(),
                    "{link:?} {eta} {c:?}"
                );
                assert!(
                    c.expected >= 0.0
                        && c.expected_slope.is_finite()
                        && c.observed_slope.is_finite()
                );
                assert!(
                    c.log_lik <= 0.0
                        && (c.log_lik.is_finite() || link == Cloglog),
                    "{link:?} {eta} {c:?}"
                );
            }
        }
    }
    let far = Binomial.contribution(Logit, 0.0, 1.0, 500.0, 1.0);
    assert_eq!((far.log_lik, far.score), (-500.0, -1.0));
}

#[test]
fn every_family_is_here() {
    let is_here =
        |family: &Family| REFERENCE.iter().any(|row| row.0 == *family);
    let absent: Vec<_> = Family::ALL.iter().filter(|f| !is_here(f)).collect();
    assert!(absent.is_empty(), "{absent:?} need rows in `REFERENCE`");
}

#[test]
fn names_of_r_are_known() {
    assert_eq!(
        Family::from_name("inverse.gaussian").unwrap(),
        InverseGaussian
    );
    assert!(Family::from_name("quasi").is_err());
    assert_eq!(Link::from_name("1/mu^2").unwrap(), InverseSquare);
    assert!(
        !Poisson.accepts(-1.0) && !Gamma.accepts(0.0) && !Binomial.accepts(1.1)
    );
}

#[test]
fn canonical_links_have_one_information() {
    for (family, link) in [
        (Binomial, Logit),
        (Poisson, Log),
        (Gamma, Inverse),
        (InverseGaussian, InverseSquare),
    ] {
        assert!(family.is_canonical(link));
        let c =
            family.contribution(link, response(family), W, 0.8, shape(family));
        close(
            "information",
            (family, link, 0.8),
            c.observed,
            c.expected,
            1e-12,
        );
    }
    assert!(
        !Poisson.is_canonical(Identity)
            && !Binomial.is_canonical(Cauchit)
            && !Gamma.is_canonical(Sqrt)
    );
}
