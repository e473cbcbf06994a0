test_that("fixef() and coef() are lme4's", {
  for_each_pair(function(fit, lme4) {
    expect_equal(fixef(fit), lme4::fixef(lme4), tolerance = 1e-6)
    ours <- lapply(unclass(coef(fit)), identity)
    theirs <- lapply(unclass(coef(lme4)), identity)
    expect_equal(ours, theirs, tolerance = 1e-6)
  })
})

test_that("dropped columns are NA in the formula's order", {
  fit <- suppressMessages(rlmm(
    Reaction ~ Days + I(2 * Days) + I(Days^2) + (1 | Subject),
    sleepstudy
  ))
  full <- fixef(fit, add.dropped = TRUE)
  expect_named(full, c("(Intercept)", "Days", "I(2 * Days)", "I(Days^2)"))
  expect_identical(full[-3], fixef(fit))
  expect_true(is.na(full[[3]]))
})

test_that("coef() adds up a product under either order of its factors, as predict() does", {
  withr::local_seed(41)
  d <- expand.grid(a = 1:5, b = 1:5, g = factor(1:12), f = c("u", "v"))
  d$y <- with(
    d,
    a * b * rnorm(12)[g] + rnorm(12)[g] + (f == "v") * a + rnorm(nrow(d))
  )
  by_coef <- function(fit, new) {
    table <- coef(fit)$g
    names(table) <- vapply(
      strsplit(names(table), ":"),
      \(x) paste(sort(x), collapse = ":"),
      ""
    )
    expect_identical(anyDuplicated(names(table)), 0L)
    x <- cbind(
      `(Intercept)` = 1,
      a = new$a,
      b = new$b,
      `a:b` = new$a * new$b,
      fv = as.numeric(new$f == "v"),
      `b:fv` = new$b * (new$f == "v"),
      `a:fu` = new$a * (new$f == "u"),
      `a:fv` = new$a * (new$f == "v"),
      `a:b:fu` = new$a * new$b * (new$f == "u"),
      `a:b:fv` = new$a * new$b * (new$f == "v")
    )
    rows <- table[as.character(new$g), ]
    expect_true(all(names(table) %in% colnames(x)))
    rowSums(as.matrix(rows) * x[, names(table)])
  }
  new <- d[c(3, 150, 299, 480), ]
  formulas <- c(
    y ~ b * a + (a * b || g),
    y ~ a * b + (b * a | g),
    y ~ a + b + b:a + (1 | g) + (0 + a:b | g),
    y ~ a + a:f + (0 + f:a | g),
    y ~ b * a * f + (1 | g) + (0 + f:a:b | g),
    # Two terms that share the intercept, and the sum of both.
    y ~ a + (1 | g) + (1 + a | g)
  )
  quiet <- rlmm_control(check_conv_singular = "ignore")
  for (formula in formulas) {
    fit <- suppressMessages(rlmm(formula, d, control = quiet))
    expect_equal(
      by_coef(fit, new),
      predict(fit, new),
      tolerance = 1e-8,
      ignore_attr = TRUE,
      info = deparse(formula)
    )
  }
})

test_that("coef() puts effects that are only random first", {
  fit <- rlmm(Reaction ~ 1 + (Days | Subject), sleepstudy)
  expect_named(coef(fit)$Subject, c("Days", "(Intercept)"))
  expect_equal(coef(fit)$Subject$Days, ranef(fit)$Subject$Days)
  fit <- suppressMessages(rlmm(
    score ~ 1 + (0 + Machine | Worker) + (1 | Machine:Worker),
    nlme::Machines
  ))
  expect_named(
    coef(fit)[["Machine:Worker"]],
    c("MachineA", "MachineB", "MachineC", "(Intercept)")
  )
  expect_identical(coef(fit)[["Machine:Worker"]]$MachineA, numeric(18))
})

test_that("standard errors of coefficients by group are those of b + beta", {
  for (name in c("sleep", "sleep_bars", "penicillin_weights")) {
    fit <- twin(name)$ours
    v <- vcov(fit, full = TRUE)
    found <- attr(coef(fit, se = TRUE), "std.error")
    expect_named(found, names(coef(fit)))
    group <- names(found)[1]
    for (column in names(found[[group]])) {
      level <- rownames(found[[group]])[2]
      label <- paste(group, level, column, sep = ".")
      weight <- as.double(rownames(v) %in% c(label, column))
      expect_equal(
        found[[group]][[column]][2],
        sqrt(drop(weight %*% v %*% weight)),
        tolerance = 1e-7,
        info = paste(name, label)
      )
    }
  }
})

test_that("coefficients by group make one table, with limits", {
  fit <- twin("sleep")$ours
  plain <- as.data.frame(coef(fit))
  expect_named(plain, c("grpvar", "term", "grp", "estimate"))
  expect_equal(plain$estimate, unlist(coef(fit)$Subject, use.names = FALSE))
  table <- as.data.frame(coef(fit, se = TRUE), level = 0.9)
  expect_equal(table[names(plain)], plain)
  # At Days = 0 the coefficient is the prediction.
  new <- data.frame(Days = 0, Subject = levels(sleepstudy$Subject))
  limits <- predict(
    fit,
    new,
    interval = "confidence",
    level = 0.9,
    ddf = "asymptotic",
    theta_uncertainty = FALSE
  )
  own <- table[table$term == "(Intercept)", ]
  expect_equal(cbind(own$lwr, own$upr), unname(limits[, -1]))
  expect_error(coef(fit, se = 1), class = "rlmm_error_argument")
  expect_output(print(coef(fit, se = TRUE)), "Intercept")
})
