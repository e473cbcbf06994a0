//! NLopt's local algorithms. No other file uses the `nlopt` crate.

use std::panic::{catch_unwind, AssertUnwindSafe};

use nlopt::{Algorithm, FailState, Nlopt, SuccessState, Target};

use super::{OptSummary, Recorder, Settings, Status};
use crate::error::{Error, Result};
use crate::tolerances::{STOP_VALUE, ZERO_SD};

fn algorithm(name: &str, n: usize) -> Result<Algorithm> {
    match name {
        "LN_BOBYQA" => Ok(Algorithm::Bobyqa),
        // NEWUOA needs at least two parameters; with one, PRAXIS finds the minimum but does not
        // stop.
        "LN_NEWUOA" | "LN_PRAXIS" if n == 1 => Ok(Algorithm::Bobyqa),
        "LN_NEWUOA" => Ok(Algorithm::Newuoa),
        "LN_NEWUOA_BOUND" if n == 1 => Ok(Algorithm::Bobyqa),
        "LN_NEWUOA_BOUND" => Ok(Algorithm::NewuoaBound),
        "LN_COBYLA" => Ok(Algorithm::Cobyla),
        "LN_NELDERMEAD" => Ok(Algorithm::Neldermead),
        "LN_SBPLX" => Ok(Algorithm::Sbplx),
        "LN_PRAXIS" => Ok(Algorithm::Praxis),
        "LD_LBFGS" => Ok(Algorithm::Lbfgs),
        "LD_SLSQP" => Ok(Algorithm::Slsqp),
        "LD_MMA" => Ok(Algorithm::Mma),
        "LD_CCSAQ" => Ok(Algorithm::Ccsaq),
        "LD_VAR1" => Ok(Algorithm::LdVar1),
        "LD_VAR2" => Ok(Algorithm::LdVar2),
        "LD_TNEWTON" => Ok(Algorithm::TNewton),
        "LD_TNEWTON_RESTART" => Ok(Algorithm::TNewtonRestart),
        "LD_TNEWTON_PRECOND" => Ok(Algorithm::TNewtonPrecond),
        "LD_TNEWTON_PRECOND_RESTART" => Ok(Algorithm::TNewtonPrecondRestart),
        _ => Err(Error::UnknownOptimizer {
            name: name.to_string(),
        }),
    }
}

// Whether an algorithm is run with bounds. Gradient-based algorithms are not: with bounds on theta
// they stop at points whose gradient vanishes only because they are on a bound.
fn keeps_bounds(name: &str) -> bool {
    !name.starts_with("LD_") && name != "LN_NEWUOA"
}

/// Minimises the recorder's objective from `start` with the algorithm that `settings` names.
pub(super) fn minimize(
    settings: &Settings,
    start: &[f64],
    lower: &[f64],
    recorder: Recorder<'_>,
) -> Result<OptSummary> {
    let n = start.len();
    let must_keep = recorder.objective.is_bounded(n);
    let algorithm = match algorithm(&settings.optimizer, n)? {
        Algorithm::Newuoa if must_keep.contains(&true) => {
            Algorithm::NewuoaBound
        }
        other => other,
    };
    let keeps = keeps_bounds(&settings.optimizer);
    let bound = |(lower, must): (&f64, &bool)| {
        if keeps || *must {
            *lower
        } else {
            f64::NEG_INFINITY
        }
    };
    let bounds: Vec<f64> = lower.iter().zip(&must_keep).map(bound).collect();
    let mut opt =
        Nlopt::new(algorithm, n, evaluate, Target::Minimize, recorder);
    configure(&mut opt, settings, &bounds).map_err(|state| {
        Error::Optimizer {
            status: format!("{state:?}"),
        }
    })?;
    let step = opt.get_initial_step(start);
    let mut x: Vec<f64> =
        start.iter().zip(&bounds).map(|(x, l)| x.max(*l)).collect();
    let status = status(opt.optimize(&mut x));
    let mut recorder = opt.recover_user_data();
    snap_to_zero(&mut recorder, lower);
    let step = step.unwrap_or_else(|| settings.initial_step.clone());
    Ok(recorder.finish(status, step))
}

// The value that ends an algorithm early: any value below `stopval` does, except that SLSQP ignores
// infinite ones.
const LAST_VALUE: f64 = 2.0 * STOP_VALUE;

// Evaluates the objective for NLopt. A panic must not unwind through C.
fn evaluate(
    x: &[f64],
    gradient: Option<&mut [f64]>,
    recorder: &mut Recorder<'_>,
) -> f64 {
    if recorder.is_stopped() {
        return LAST_VALUE;
    }
    let evaluate = || {
        let value = recorder.evaluate(x);
        if let Some(gradient) = gradient {
            recorder.gradient(gradient);
        }
        value
    };
    let value = catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or(LAST_VALUE);
    match recorder.is_stopped() {
        true => LAST_VALUE,
        false => value,
    }
}

fn configure<F: nlopt::ObjFn<T>, T>(
    opt: &mut Nlopt<F, T>,
    settings: &Settings,
    bounds: &[f64],
) -> std::result::Result<(), FailState> {
    opt.set_lower_bounds(bounds)?;
    opt.set_stopval(STOP_VALUE)?;
    opt.set_ftol_rel(settings.ftol_rel)?;
    opt.set_ftol_abs(settings.ftol_abs)?;
    opt.set_xtol_rel(settings.xtol_rel)?;
    opt.set_xtol_abs1(settings.xtol_abs)?;
    if settings.initial_step.len() == bounds.len() {
        opt.set_initial_step(&settings.initial_step)?;
    }
    Ok(())
}

fn status(
    outcome: std::result::Result<(SuccessState, f64), (FailState, f64)>,
) -> Status {
    match outcome {
        Ok((SuccessState::FtolReached, _)) => Status::FtolReached,
        Ok((SuccessState::XtolReached, _)) => Status::XtolReached,
        Ok((SuccessState::MaxEvalReached, _)) => Status::MaxEval,
        Ok((SuccessState::MaxTimeReached, _)) => Status::MaxTime,
        Ok((SuccessState::Success | SuccessState::StopValReached, _)) => {
            Status::Success
        }
        Err((FailState::RoundoffLimited, _)) => Status::RoundoffLimited,
        Err(_) => Status::Failure,
    }
}

// Evaluates the best point with its nearly zero standard deviations set to zero, as bounded
// algorithms stop just inside a bound.
fn snap_to_zero(recorder: &mut Recorder<'_>, lower: &[f64]) {
    let mut best = recorder.canonical_best();
    let step_sizes = recorder.objective.step_sizes(best.len());
    let is_near = |j: usize, x: f64| {
        lower[j] == 0.0 && x != 0.0 && x < ZERO_SD * step_sizes[j]
    };
    let mut is_any = false;
    for (j, x) in best.iter_mut().enumerate() {
        if is_near(j, *x) {
            *x = 0.0;
            is_any = true;
        }
    }
    if is_any && !recorder.is_stopped() {
        recorder.evaluate(&best);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::rosenbrock::Rosenbrock;
    use crate::optimize::{minimize, Flow};

    // All algorithms by name, those that need gradients first.
    const NAMES: [&str; 17] = [
        "LD_LBFGS",
        "LD_SLSQP",
        "LD_MMA",
        "LD_CCSAQ",
        "LD_VAR1",
        "LD_VAR2",
        "LD_TNEWTON",
        "LD_TNEWTON_RESTART",
        "LD_TNEWTON_PRECOND",
        "LD_TNEWTON_PRECOND_RESTART",
        "LN_BOBYQA",
        "LN_NEWUOA",
        "LN_NEWUOA_BOUND",
        "LN_COBYLA",
        "LN_NELDERMEAD",
        "LN_SBPLX",
        "LN_PRAXIS",
    ];

    fn fit(
        settings: &Settings,
        observe: &mut dyn FnMut(usize) -> Flow,
    ) -> OptSummary {
        let lower = [f64::NEG_INFINITY; 2];
        minimize(
            settings,
            &[-1.2, 1.0],
            &lower,
            &mut Rosenbrock::default(),
            &mut |k, _, _| observe(k),
        )
        .unwrap()
    }

    #[test]
    fn algorithms_find_the_minimum_of_rosenbrock() {
        let with_gradient = [
            "newton",
            "LD_LBFGS",
            "LD_SLSQP",
            "LD_VAR1",
            "LD_VAR2",
            "LD_TNEWTON",
        ];
        let without = [
            "LN_BOBYQA",
            "LN_NEWUOA",
            "LN_NELDERMEAD",
            "LN_SBPLX",
            "LN_PRAXIS",
        ];
        for name in with_gradient.into_iter().chain(without) {
            // The tolerance `ftol_abs` does not bound the distance from the minimum, so that it is
            // switched off here.
            let settings = Settings {
                optimizer: name.into(),
                max_eval: 5000,
                ftol_abs: 0.0,
                ..Default::default()
            };
            let result = fit(&settings, &mut |_| Flow::Continue);
            assert!(result.best_value < 1e-7, "{name}: {}", result.best_value);
            assert_eq!(result.initial_value, 24.199999999999996);
        }
    }

    #[test]
    fn limits_end_the_search_at_once() {
        for name in ["newton"].into_iter().chain(NAMES) {
            let settings = Settings {
                optimizer: name.into(),
                max_eval: 20,
                ..Default::default()
            };
            let result = fit(&settings, &mut |_| Flow::Continue);
            assert_eq!(
                (result.status, result.log.len()),
                (Status::MaxEval, 20),
                "{name}"
            );
        }
    }

    #[test]
    fn every_algorithm_stops_when_asked() {
        for name in ["newton"].into_iter().chain(NAMES) {
            let settings = Settings {
                optimizer: name.into(),
                ..Default::default()
            };
            for last in 1..=12 {
                let result = fit(&settings, &mut |k| match k == last {
                    true => Flow::Stop,
                    false => Flow::Continue,
                });
                assert_eq!(
                    (result.status, result.log.len()),
                    (Status::Interrupted, last),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn unknown_algorithm_is_an_error() {
        let settings = Settings {
            optimizer: "LN_NONE".into(),
            ..Default::default()
        };
        let result = minimize(
            &settings,
            &[1.0, 1.0],
            &[0.0, 0.0],
            &mut Rosenbrock::default(),
            &mut |_, _, _| Flow::Continue,
        );
        assert!(matches!(result, Err(Error::UnknownOptimizer { .. })));
    }
}
