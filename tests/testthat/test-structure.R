days <- transform(sleepstudy, fd = factor(Days), t = factor(Days %/% 3))

test_that("fits with structured covariances are lme4's or better", {
  reference <- read.csv(test_path("..", "reference", "structures.csv"))
  for (i in seq_len(nrow(reference))) {
    row <- reference[i, ]
    fit <- rlmm(row$formula, days, REML = row$REML)
    expect_gte(as.numeric(logLik(fit)), row$log_lik - 1e-8)
    expect_equal(sigma(fit), row$sigma, tolerance = 1e-4, label = row$formula)
    par <- as.numeric(strsplit(row$par, " ")[[1]])
    expect_equal(
      unname(getME(fit, "par")),
      par,
      tolerance = 1e-4,
      label = row$formula
    )
    expect_named(getME(fit, "par"), strsplit(row$names, " ")[[1]])
    expect_identical(fit$optsum$certificate$verdict, "optimal")
  }
})

test_that("the core agrees with dense algebra", {
  formulas <- list(
    cs = Reaction ~ Days + cs(0 + t | Subject),
    homcs = Reaction ~ Days + cs(0 + t | Subject, hom = TRUE),
    ar1 = Reaction ~ Days + ar1(0 + t | Subject),
    hetar1 = Reaction ~ Days + ar1(0 + t | Subject, hom = FALSE),
    both = Reaction ~ 1 + (1 + Days | Subject) + cs(0 + t | Subject) + (1 | fd)
  )
  for (formula in formulas) {
    spec <- model_design(formula, days)$spec
    fit <- rlmm(formula, days)
    inner <- 0.9 * fit$theta
    ours <- core_estimates(spec, inner)
    dense <- dense_estimates(spec, inner)
    expect_equal(
      ours[names(dense)],
      dense,
      tolerance = 1e-8,
      ignore_attr = TRUE
    )
    expect_lte(fit$dev$objective, dense_fit(spec)$optsum$fmin + 1e-6)
  }
})

test_that("R and the core have the same Lambda, up to the ends of the correlation", {
  for (call in c("cs", "homcs", "ar1", "hetar1")) {
    fit <- rlmm(
      as.formula(paste0("Reaction ~ Days + ", call, "(0 + t | Subject)")),
      days
    )
    range <- theta_range(fit$random[[1]])
    for (rho in c(range[nrow(range), ], 0.3)) {
      theta <- replace(fit$theta, length(fit$theta), rho)
      est <- core_estimates(fit_spec(fit), theta)
      expect_equal(
        est$b[[1]],
        lambda_block(fit$random[[1]], theta) %*% est$u[[1]]
      )
    }
  }
})

test_that("a compound symmetry at its end, which lme4 misses, is found", {
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + cs(0 + Days + I(Days^2) | Subject, hom = TRUE),
    days
  ))
  expect_equal(unname(fit$theta[2]), 1)
  expect_gt(as.numeric(logLik(fit)), -898.9416)
  expect_true(isSingular(fit))
})

test_that("structures print as lme4's", {
  expect_snapshot({
    print(
      VarCorr(rlmm(Reaction ~ Days + cs(Days | Subject), days)),
      comp = "Std.Dev.",
      digits = 3
    )
    print(
      VarCorr(rlmm(
        Reaction ~ Days + (1 | Subject) + ar1(0 + fd | Subject),
        days
      )),
      comp = "Std.Dev.",
      digits = 3
    )
  })
})

test_that("methods know structures", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject) + ar1(0 + fd | Subject), days)
  components <- VarCorr(fit)
  expect_equal(attr(components[[2]], "correlation")[1, 3], fit$theta[3]^2)
  table <- as.data.frame(components)
  expect_equal(nrow(table), 1 + 55 + 1)
  expect_equal(attr(logLik(fit), "df"), 6)
  expect_equal(predict(fit, days[1:20, ]), fitted(fit)[1:20])
  expect_equal(
    as.matrix(getME(fit, "Lambda") %*% getME(fit, "u")),
    as.matrix(getME(fit, "b")),
    ignore_attr = TRUE
  )
  expect_equal(dim(simulate(fit, 2, seed = 1)), c(180L, 2L))
  expect_equal(dim(condVar(fit)[[2]]), c(10L, 10L, 18L))
  expect_length(rePCA(fit)$Subject$sdev, 11)
  expect_equal(
    rownames(confint(fit, method = "Wald"))[1:4],
    c(".sig01", ".sig02", ".sig03", ".sigma")
  )
  again <- rlmm(formula(fit), days)
  expect_equal(again$theta, fit$theta)
  expect_identical(
    formula(fit, random.only = TRUE)[[3]],
    quote((1 | Subject) + ar1(0 + fd | Subject))
  )
})

test_that("at a variance of zero every correlation is looked at", {
  set.seed(4)
  d <- expand.grid(g = factor(1:30), f = factor(1:3), r = 1:2)
  u <- matrix(rnorm(90), 30)
  u <- u - rowMeans(u)
  d$y <- 0.6 * u[cbind(d$g, d$f)] + rnorm(nrow(d))
  for (call in c("cs(0 + f | g, hom = TRUE)", "ar1(0 + f | g)")) {
    formula <- as.formula(paste("y ~ 1 +", call))
    reached <- suppressMessages(rlmm(formula, d, start = c(0.4, -0.4)))
    expect_gt(getME(reached, "theta")[[1]], 0.2)
    # With the other sign of the correlation zero is best: the objective falls only along a negative
    # one.
    spec <- fit_spec(reached)
    near <- core_objective(spec, cbind(c(0, 0.9), c(0.05, 0.9), c(0.05, -0.45)))
    expect_gt(near[2], near[1])
    expect_lt(near[3], near[1])
    expect_identical(
      core_derivatives(spec, c(0, 0.9), TRUE)$certificate$verdict,
      "false_boundary"
    )
    for (start in list(NULL, c(0, 0.9), c(0.001, 1), c(1, 0.9))) {
      fit <- suppressMessages(rlmm(formula, d, start = start))
      expect_equal(fit$dev$objective, reached$dev$objective, tolerance = 1e-9)
      expect_identical(fit$optsum$certificate$verdict, "optimal")
    }
  }
})

test_that("structures may be called with the name of another package", {
  fit <- rlmm(Reaction ~ Days + lme4::cs(Days | Subject), sleepstudy)
  expect_identical(fit$random[[1]]$structure, "cs")
  expect_error(
    rlmm(Reaction ~ Days + lme4::ou(Days | Subject), sleepstudy),
    "`ou()` isn't",
    fixed = TRUE,
    class = "rlmm_error_unknown_structure"
  )
})

test_that("a structure that isn't here is looked for elsewhere, or under a name like it", {
  expect_snapshot({
    show_error(rlmm(Reaction ~ Days + rr(0 + fd | Subject, 1), days))
    show_error(rlmm(Reaction ~ Days + toepl(0 + fd | Subject), days))
  })
})

test_that("unsuited structures are errors in the user's words", {
  refuse <- function(formula, class = "rlmm_error_structure") {
    expect_error(rlmm(formula, days), class = class)
  }
  refuse(
    Reaction ~ Days + ou(0 + fd | Subject),
    "rlmm_error_unknown_structure"
  )
  refuse(Reaction ~ Days + cs(1 | Subject))
  refuse(Reaction ~ Days + ar1(1 | Subject))
  refuse(Reaction ~ Days + ar1(1 + Days | Subject))
  refuse(Reaction ~ Days + ar1(0 + Days + fd | Subject))
  refuse(Reaction ~ Days + cs(1 + Days | Subject, hom = 3))
  refuse(Reaction ~ Days + cs(1 + Days | Subject, het = TRUE))
  refuse(Reaction ~ Days + us(1 + Days | Subject, hom = TRUE))
  refuse(Reaction ~ Days + diag(cs(1 + Days | Subject)))
  refuse(
    Reaction ~ Days + (1 | Subject) + foo(1 + Days | Subject),
    "rlmm_error_unknown_structure"
  )
  expect_snapshot({
    show_error(rlmm(Reaction ~ Days + cs(1 | Subject), days))
    show_error(rlmm(Reaction ~ Days + ar1(1 + Days | Subject), days))
    show_error(rlmm(
      Reaction ~ Days + cs(Days | Subject),
      days,
      start = c(1, 1, 1.5)
    ))
  })
})

test_that("an unknown function around the only bar is an unknown structure", {
  expect_error(
    rlmm(Reaction ~ Days + foo(Days | Subject), sleepstudy),
    "`foo()` isn't",
    fixed = TRUE,
    class = "rlmm_error_unknown_structure"
  )
  expect_error(
    rlmm(Reaction ~ I(Days > 3 | Days < 1), sleepstudy),
    class = "rlmm_error_no_bars"
  )
})

test_that("terms are called as they were written", {
  days <- transform(sleepstudy, day = factor(Days))
  fit <- suppressMessages(rlmm(
    Reaction ~ Days +
      diag(Days | Subject, hom = TRUE) +
      ar1(0 + day | Subject) +
      (1 | day),
    days
  ))
  expect_setequal(
    is_singular(fit)$term,
    c("diag(Days | Subject, hom = TRUE)", "ar1(0 + day | Subject)", "(1 | day)")
  )
  held <- \(name) {
    rlmm(
      Reaction ~ Days + cs(1 + Days | Subject),
      days,
      control = rlmm_control(
        fixed = list(
          cov = stats::setNames(list(matrix(c(600, 20, 20, 30), 2)), name)
        )
      )
    )
  }
  names <- c(
    "cs(1 + Days | Subject)",
    "cs(Days | Subject, hom = FALSE)",
    "(Days | Subject)",
    "Subject"
  )
  for (name in names) {
    expect_equal(VarCorr(held(name))$Subject[2, 1], 20)
  }
  expect_output(
    print(held("Subject")),
    "the covariance of `cs(1 + Days | Subject)`",
    fixed = TRUE
  )
})

test_that("ar1() asks for an order, and says where it isn't that of time", {
  days <- transform(
    sleepstudy,
    text = as.character(Days),
    day = factor(Days),
    jumbled = factor(Days, c(0, 2, 1, 3:9))
  )
  expect_error(
    rlmm(Reaction ~ Days + ar1(0 + text | Subject), days),
    "`text` is text",
    class = "rlmm_error_structure"
  )
  expect_no_message(rlmm(Reaction ~ Days + ar1(0 + day | Subject), days))
  expect_message(
    rlmm(Reaction ~ Days + ar1(0 + jumbled | Subject), days),
    "0, 2, 1",
    class = "rlmm_message_order"
  )
  gap <- subset(days, Days != 4)
  expect_message(
    rlmm(Reaction ~ Days + ar1(0 + day | Subject), gap),
    "equally spaced",
    class = "rlmm_message_order"
  )
})

test_that("`||` says that there are no correlations, which contradicts structures that have them", {
  for (formula in list(
    Reaction ~ Days + cs(1 + Days || Subject),
    Reaction ~ Days + ar1(0 + factor(Days) || Subject)
  )) {
    expect_error(
      rlmm(formula, sleepstudy),
      "can't have `||`",
      fixed = TRUE,
      class = "rlmm_error_structure"
    )
  }
  expect_error(
    rlmm(Reaction ~ cs(1 + Days || Subject, hom = TRUE), sleepstudy),
    "`cs(1 + Days | Subject, hom = TRUE)`",
    fixed = TRUE
  )
  # As in lme4 2.1, which fits the same model to all three.
  for (formula in list(
    Reaction ~ Days + us(Days || Subject),
    Reaction ~ Days + diag(Days || Subject)
  )) {
    expect_equal(
      logLik(rlmm(formula, sleepstudy)),
      logLik(rlmm(Reaction ~ Days + (Days || Subject), sleepstudy))
    )
  }
})

test_that("the lowest of several minima is found", {
  simulated <- function(seed, ar1) {
    set.seed(seed)
    d <- expand.grid(r = 1:2, f = factor(1:4), g = factor(1:10))
    distance <- abs(outer(1:4, 1:4, "-"))
    correlation <- if (ar1) (-0.6)^distance else 0.7^(distance > 0)
    b <- matrix(rnorm(40), 10) %*% chol(correlation) %*% diag(runif(4, 0, 1.2))
    d$y <- b[cbind(as.integer(d$g), as.integer(d$f))] + rnorm(80)
    d
  }
  formulas <- list(y ~ f + cs(0 + f | g), y ~ f + ar1(0 + f | g, hom = FALSE))
  several <- 0
  for (seed in 1:8) {
    for (ar1 in 0:1) {
      d <- simulated(seed, ar1)
      formula <- formulas[[ar1 + 1]]
      fit <- suppressMessages(rlmm(formula, d))
      objective <- as.function(fit)
      low <- if (ar1) -1 else -1 / 3
      # Searches by R from many starts.
      found <- vapply(
        seq(0.95 * low, 0.95, length.out = 7),
        \(rho) {
          nlminb(
            c(rep(1, 4), rho),
            objective,
            lower = c(0, 0, 0, 0, low),
            upper = c(rep(Inf, 4), 1)
          )$objective
        },
        0
      )
      several <- several + (max(found) > min(found) + 1e-3)
      expect_lt(fit$dev$objective, min(found) + 1e-6)
    }
  }
  expect_gt(several, 0)
})

test_that("units of theta are those of the columns of Z", {
  term <- \(structure, n) {
    list(
      structure = structure,
      columns = c("a", "b"),
      scale = c(2, 5),
      theta = seq_len(n)
    )
  }
  units <- \(structure, n) 1 / term_roles(term(structure, n))$step_size
  mean_square <- sqrt((2^2 + 5^2) / 2)
  expect_equal(units("us", 3L), c(2, 5, 5))
  expect_equal(units("diag", 2L), c(2, 5))
  expect_equal(units("homdiag", 1L), mean_square)
  expect_equal(units("cs", 3L), c(2, 5, 1))
  expect_equal(units("ar1", 2L), c(mean_square, 1))
})

# Toeplitz --------------------------------------------------------------------

series <- local({
  set.seed(42)
  g <- gl(60, 10)
  t <- factor(rep(rep(1:5, 2), 60))
  sd <- c(1, 1.5, 2, 1.2, 0.8)
  covariance <- toeplitz(c(1, 0.6, 0.1, -0.2, -0.1)) * outer(sd, sd)
  u <- matrix(rnorm(300), 60) %*% chol(covariance)
  y <- 2 + u[cbind(as.integer(g), as.integer(t))] + rnorm(600)
  data.frame(y, g, t)
})

# glmmTMB 1.1.14, by maximum likelihood.
test_that("toep() and homtoep() are glmmTMB's", {
  fit <- rlmm(y ~ 1 + toep(0 + t | g), series, REML = FALSE)
  expect_equal(as.numeric(logLik(fit)), -1001.5759640907, tolerance = 1e-9)
  expect_equal(
    unname(c(sigma(fit), fixef(fit))),
    c(0.9620424115, 1.949004712),
    tolerance = 1e-4
  )
  component <- VarCorr(fit)$g
  expect_equal(
    unname(attr(component, "stddev")),
    c(1.0351383186, 1.44718784, 1.7769960631, 1.0072323177, 0.6987449383),
    tolerance = 1e-4
  )
  rho <- c(0.5260798858, -0.1035595593, -0.4859924652, -0.5423769311)
  expect_equal(
    unname(attr(component, "correlation")),
    toeplitz(c(1, rho)),
    tolerance = 1e-3
  )
  expect_identical(fit$optsum$certificate$verdict, "optimal")
  hom <- rlmm(y ~ 1 + homtoep(0 + t | g), series, REML = FALSE)
  expect_equal(as.numeric(logLik(hom)), -1019.287798234, tolerance = 1e-9)
  expect_named(getME(hom, "theta"), paste0("g.", c("*", paste0("rho", 1:4))))
  expect_equal(
    unname(getME(hom, "theta")),
    c(1.272685213 / 0.9600255043, 0.4957458, -0.087388, -0.4674002, -0.6123576),
    tolerance = 1e-4
  )
})

test_that("toep() agrees with dense algebra, and its derivatives with differences", {
  fit <- rlmm(y ~ 1 + toep(0 + t | g), series)
  spec <- fit_spec(fit)
  omega <- tcrossprod(lambda_block(fit$random[[1]], fit$theta))
  z <- model.matrix(~ 0 + g:t, series)
  z <- z[, order(rep(seq_len(60), 5), rep(1:5, each = 60))]
  v <- diag(600) + z %*% kronecker(diag(60), omega) %*% t(z)
  weight <- solve(v)
  x <- rep(1, 600)
  beta <- sum(weight %*% series$y) / sum(weight)
  r <- series$y - beta
  expect_equal(fit$dev$pwrss, drop(r %*% weight %*% r), tolerance = 1e-9)
  expect_equal(fit$dev$log_det_re, as.numeric(determinant(v)$modulus))
  at <- 0.9 * fit$theta
  gradient <- core_derivatives(spec, at)$gradient
  differences <- vapply(
    seq_along(at),
    \(j) {
      shift <- replace(0 * at, j, 1e-4)
      sum(
        c(1, -8, 8, -1) *
          core_objective(spec, at + outer(shift, c(-2, -1, 1, 2)))
      ) /
        12e-4
    },
    0
  )
  expect_equal(gradient, differences, tolerance = 1e-6)
})

test_that("methods know Toeplitz correlations", {
  for (call in c("toep(0 + t | g)", "toep(0 + t | g, hom = TRUE)")) {
    formula <- as.formula(paste("y ~ 1 +", call))
    fit <- rlmm(formula, series)
    n <- length(fit$theta)
    expect_identical(variance_parameters(fit, "sqrt"), getME(fit, "theta"))
    expect_lt(max(abs(score(fit))), 1e-3)
    expect_equal(
      unname(solve(-hessian(fit))),
      unname(variance_vcov(fit, "variance")),
      tolerance = 1e-5
    )
    expect_equal(dim(confint(fit, method = "Wald")), c(n + 2L, 2L))
    expect_equal(predict(fit, series), fitted(fit), ignore_attr = TRUE)
    expect_equal(dim(simulate(fit, 2, seed = 1)), c(600L, 2L))
    expect_equal(dim(condVar(fit)[[1]]), c(5L, 5L, 60L))
    expect_output(print(VarCorr(fit)), "t5")
    expect_equal(update(fit, . ~ .)$theta, fit$theta)
    table <- as.data.frame(VarCorr(fit, std.error = TRUE))
    expect_false(anyNA(table$std.error.vcov))
    rho <- c(g.rho1 = 0.9)
    control <- rlmm_control(fixed = list(theta = rho))
    held <- rlmm(formula, series, control = control)
    expect_equal(getME(held, "theta")[["g.rho1"]], 0.9)
    expect_identical(held$optsum$certificate$verdict, "optimal")
    covariance <- matrix(VarCorr(fit)$g, 5)
    control <- rlmm_control(fixed = list(cov = list(g = covariance)))
    known <- rlmm(formula, series, control = control)
    expect_equal(matrix(VarCorr(known)$g, 5), covariance)
  }
  expect_error(
    rlmm(
      y ~ 1 + toep(0 + t | g),
      series,
      start = c(1, 1, 1, 1, 1, 0.9, 0, 0, 0)
    ),
    class = "rlmm_error"
  )
})
