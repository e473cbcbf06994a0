# A fit made in a function: what it keeps of the function's objects.

fit_within <- function(slim = FALSE) {
  unrelated <- rnorm(1e5)
  d <- transform(sleepstudy, extra = sin(seq_len(180)))
  power <- 2
  curve <- function(x) scaled(x)^power
  scaled <- function(x) x / 10
  rlmm(
    Reaction ~ curve(Days) + (Days | Subject),
    d,
    control = rlmm_control(slim = slim)
  )
}

saved_size <- function(x) length(serialize(x, NULL))

test_that("a fit made in a function doesn't keep the function's other objects", {
  fit <- fit_within()
  kept <- ls(environment(formula(fit)))
  expect_setequal(kept, c("curve", "d", "power", "scaled", "slim"))
  outside <- rlmm(Reaction ~ I((Days / 10)^2) + (Days | Subject), sleepstudy)
  expect_lt(saved_size(fit), saved_size(outside) + saved_size(sleepstudy) + 1e4)
  expect_lt(saved_size(fit_within(slim = TRUE)), saved_size(outside))
  expect_false("d" %in% ls(environment(formula(fit_within(slim = TRUE)))))
})

test_that("a generalized fit doesn't either", {
  make <- function() {
    unrelated <- rnorm(1e5)
    rglmm(TICKS ~ YEAR + (1 | BROOD), grouseticks, family = poisson)
  }
  expect_length(ls(environment(formula(make()))), 0)
})

test_that("formulas of a fit made in a function are evaluated as before", {
  fit <- unserialize(serialize(fit_within(), NULL))
  outside <- rlmm(Reaction ~ I((Days / 10)^2) + (Days | Subject), sleepstudy)
  new <- data.frame(Days = 11:12, Subject = "308")
  expect_equal(predict(fit, new), predict(outside, new))
  expect_equal(
    logLik(update(fit, . ~ . + extra)),
    logLik(update(
      outside,
      . ~ . + extra,
      data = transform(sleepstudy, extra = sin(seq_len(180)))
    ))
  )
  expect_equal(
    logLik(update(fit, . ~ . - curve(Days))),
    logLik(update(outside, . ~ . - I((Days / 10)^2)))
  )
})

test_that("an update where the fit was made sees what has changed there", {
  d <- transform(sleepstudy, extra = sin(seq_len(180)))
  fit <- rlmm(Reaction ~ Days + (1 | Subject), d)
  degree <- 2
  quadratic <- update(fit, . ~ . - Days + poly(Days, degree, raw = TRUE))
  expect_length(fixef(quadratic), 3)
  d$Reaction[7] <- 1
  expect_warning(
    update(fit, . ~ . + extra),
    class = "rlmm_warning_changed_data"
  )
})

test_that("arguments that aren't given, and loops of functions, do no harm", {
  make <- function(w) {
    recursive <- function(x) if (FALSE) recursive(x) else x
    rlmm(Reaction ~ recursive(Days) + (1 | Subject), sleepstudy)
  }
  fit <- make()
  expect_equal(ls(environment(formula(fit))), "recursive")
  expect_length(predict(fit, sleepstudy), 180)
})

test_that("formulas in variables, and in lists, don't bring the function's objects", {
  make <- function(slim) {
    unrelated <- rnorm(1e5)
    d <- sleepstudy
    tenth <- function(x) x / 10
    known <- list(formula = Reaction ~ tenth(Days) + (1 | Subject))
    formula <- known$formula
    control <- rlmm_control(slim = slim)
    list(
      rlmm(formula, d, control = control),
      rlmm(known$formula, d, control = control)
    )
  }
  outside <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  size <- saved_size(outside) + saved_size(sleepstudy) + 3e4
  new <- data.frame(Days = 20, Subject = "308")
  for (fit in c(make(FALSE), make(TRUE))) {
    expect_lt(saved_size(fit), size)
    expect_equal(
      predict(fit, new, re.form = NA)[[1]],
      sum(fixef(fit) * c(1, 2))
    )
  }
  changed <- update(make(FALSE)[[1]], . ~ . + Days - tenth(Days))
  expect_equal(logLik(changed)[[1]], logLik(outside)[[1]])
})

test_that("nor do fits by do.call(), updates, and fits of other kinds", {
  made <- function() {
    unrelated <- rnorm(1e5)
    d <- transform(sleepstudy, extra = sin(seq_len(180)))
    tenth <- function(x) x / 10
    formula <- Reaction ~ tenth(Days) + (1 | Subject)
    Y <- cbind(a = d$Reaction, b = rev(d$Reaction))
    list(
      do.call(rlmm, list(formula, quote(d))),
      update(rlmm(formula, d), . ~ . + extra),
      rlmm_many(Y ~ tenth(Days) + (1 | Subject), d),
      rlmm_sums(Reaction ~ Days + (1 | Subject), d),
      lmList(Reaction ~ tenth(Days) | Subject, d)
    )
  }
  fits <- lapply(made(), \(fit) unserialize(serialize(fit, NULL)))
  for (fit in fits) {
    expect_lt(saved_size(fit), 1e5)
  }
  new <- data.frame(Days = 20, Subject = "308")
  outside <- lmList(Reaction ~ Days | Subject, sleepstudy)
  expect_equal(predict(fits[[5]], new), predict(outside, new))
})

test_that("nonlinear fits keep what their formula and call name", {
  make <- function(curve) {
    unrelated <- rnorm(1e5)
    trees <- Orange
    youngest <- 200
    half <- function(x) x / 2
    rnlmm(
      circumference ~ curve(2 * half(age), Asym, xmid, scal) ~ Asym | Tree,
      trees,
      start = c(Asym = 200, xmid = 700, scal = 350),
      subset = age > youngest
    )
  }
  fit <- unserialize(serialize(make(SSlogis), NULL))
  kept <- ls(environment(formula(fit)))
  expect_setequal(kept, c("curve", "half", "trees", "youngest"))
  expect_lt(saved_size(fit), 3e4)
  outside <- rnlmm(
    circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
    Orange,
    subset = age > 200
  )
  new <- data.frame(age = c(500, 1000), Tree = "3")
  expect_equal(predict(fit, new), predict(outside, new), tolerance = 1e-6)
  expect_equal(logLik(refit(fit)), logLik(outside), tolerance = 1e-8)
  y <- 1.1 * outside$frame$circumference + c(-2, 2)
  expect_equal(
    fixef(refit(fit, y)),
    fixef(refit(outside, y)),
    tolerance = 1e-5
  )
})

test_that("an update of a nonlinear fit finds what is where the fit was made", {
  refitted <- function() {
    fit <- rnlmm(
      circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree,
      Orange
    )
    logistic <- \(t, size, half, scale) size / (1 + exp((half - t) / scale))
    list(
      fit = fit,
      other = update(
        fit,
        circumference ~ logistic(age, Asym, xmid, scal) ~ Asym | Tree,
        start = fixef(fit)
      ),
      call = update(fit, nAGQ = 0L, evaluate = FALSE)
    )
  }
  made <- refitted()
  expect_equal(logLik(made$other), logLik(made$fit), tolerance = 1e-6)
  expect_identical(made$call$nAGQ, 0L)
})

test_that("a function with a class keeps it", {
  make <- function() {
    curve <- structure(\(x) x / 10, class = "curve")
    rlmm(Reaction ~ curve(Days) + (1 | Subject), sleepstudy)
  }
  kept <- environment(formula(make()))$curve
  expect_s3_class(kept, "curve")
  expect_equal(kept(5), 0.5)
})

test_that("the formula of a fit made in a function prints as R's do", {
  fit <- (function(data) rlmm(Reaction ~ Days + (1 | Subject), data))(
    sleepstudy
  )
  shown <- utils::capture.output(print(formula(fit)))
  expect_no_match(shown, "attr")
  expect_length(shown, 2)
})
