# Methods of fits of sums, against those of fits of the rows.

test_that("inference from sums is that from data", {
  sums <- rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- rlmm(sums)
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  expect_equal(coef(summary(found)), coef(summary(fit)), tolerance = 1e-6)
  for (type in 1:3) {
    expect_equal(
      as.data.frame(anova(found, type = type)),
      as.data.frame(anova(fit, type = type)),
      tolerance = 1e-6
    )
  }
  expect_equal(
    as.data.frame(anova(found, ddf = "none")),
    as.data.frame(anova(fit, ddf = "none")),
    tolerance = 1e-6
  )
  expect_equal(confint(found), confint(fit), tolerance = 1e-4)
  new <- sleepstudy[c(1, 60), ]
  expect_equal(predict(found, new), predict(fit, new))
  expect_equal(
    format(VarCorr(found)),
    format(VarCorr(fit))
  )
  null <- rlmm(rlmm_sums(Reaction ~ 1 + (Days | Subject), sleepstudy))
  compared <- suppressMessages(anova(found, null))
  expect_equal(compared$Chisq[2L], 23.5365, tolerance = 1e-5)
})

test_that("tests of type III with interactions need no rows", {
  d <- transform(
    sleepstudy,
    g = factor(rep(1:3, 60)),
    h = rep(c("a", "b"), each = 90)
  )
  formula <- Reaction ~ Days * g + h + (1 | Subject)
  found <- rlmm(rlmm_sums(formula, d))
  expect_equal(
    as.data.frame(anova(found, type = 3)),
    as.data.frame(anova(rlmm(formula, d), type = 3)),
    tolerance = 1e-6
  )
})

# Crossed and nested factors, two terms of one factor, weights and a character factor.
weighted_rows <- function() {
  set.seed(5)
  n <- 600
  d <- data.frame(
    s = sprintf("s%02d", rep(1:30, 20)),
    i = rep(1:20, each = 30),
    x = rnorm(n, 5),
    f = sample(c("a", "b", "c"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  slopes <- rnorm(30, 1, 0.5)[factor(d$s)]
  d$y <- 300 + slopes * d$x + rnorm(20)[d$i] * d$w + rnorm(30)[factor(d$s)]
  d$y <- d$y + rnorm(20)[d$i] + rnorm(n)
  d
}

weighted_formula <- y ~ x * f + w + (x | s) + (1 | i) + (0 + w | i)

test_that("models of fewer terms are fitted from the sums of a fit", {
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(weighted_formula, d, weights = w))
  fit <- rlmm(weighted_formula, d, weights = w)
  expect_equal_fits(update(found, REML = FALSE), update(fit, REML = FALSE))
  smaller <- list(
    . ~ . - x:f,
    . ~ . - w - (0 + w | i),
    . ~ . - (1 | i),
    . ~ f + (1 | i),
    . ~ . - (x | s) + (1 | s) + (0 + x | s),
    . ~ 0 + w + x + (0 + x | s)
  )
  for (change in smaller) {
    expect_equal_fits(
      suppressMessages(update(found, change)),
      suppressMessages(update(fit, change)),
      1e-5
    )
  }
  # A fit from the sums of a fit has them, too.
  expect_equal_fits(
    update(update(found, . ~ . - x:f), . ~ . - f),
    update(fit, . ~ . - f - x:f),
    1e-5
  )
})

test_that("tables of changed models from sums are those from data", {
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(weighted_formula, d))
  fit <- rlmm(weighted_formula, d)
  as_lists <- \(table) lapply(as.list(table), as.vector)
  expect_same_table <- \(f) {
    expect_equal(as_lists(f(found)), as_lists(f(fit)), tolerance = 1e-4)
  }
  expect_same_table(\(fit) drop1(fit, test = "Chisq"))
  expect_same_table(\(fit) drop1(fit, test = "F"))
  expect_same_table(\(fit) ranova(fit))
  expect_same_table(\(fit) anova(fit, update(fit, . ~ . - x:f), refit = FALSE))
  expect_equal(
    formula(update(found, . ~ . - x:f)),
    formula(update(fit, . ~ . - x:f)),
    ignore_formula_env = TRUE
  )
})

test_that("errors and intervals of predictions from sums are those from data", {
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(weighted_formula, d, weights = w))
  fit <- rlmm(weighted_formula, d, weights = w)
  new <- rbind(d[c(1, 50, 333), ], transform(d[7, ], s = "new"))
  expect_same <- function(...) {
    expect_equal(
      predict(found, new, allow.new.levels = TRUE, ...),
      predict(fit, new, allow.new.levels = TRUE, ...),
      tolerance = 1e-6
    )
  }
  expect_same(se.fit = TRUE, cov.fit = TRUE)
  expect_same(interval = "confidence")
  expect_same(interval = "prediction")
  expect_same(interval = "prediction", re.form = ~ (1 | i))
  expect_equal(getME(found, "RZX"), getME(fit, "RZX"), tolerance = 1e-5)
})

test_that("an offset of sums is part of predictions", {
  formula <- Reaction ~ Days + (1 | Subject)
  found <- rlmm(rlmm_sums(formula, sleepstudy, offset = 3 * Days))
  fit <- rlmm(formula, sleepstudy, offset = 3 * Days)
  new <- sleepstudy[c(5, 100), ]
  expect_equal(predict(found, new), predict(fit, new))
})

test_that("means of emmeans need some rows beside the sums", {
  skip_if_not_installed("emmeans")
  d <- weighted_rows()
  found <- rlmm(rlmm_sums(y ~ x + f + (1 | s), d))
  fit <- rlmm(y ~ x + f + (1 | s), d)
  means <- \(fit, ...) as.data.frame(emmeans::emmeans(fit, "f", ...))
  expect_error(means(found), "give some")
  expect_equal(
    as.list(means(found, data = d)),
    as.list(means(fit)),
    tolerance = 1e-5
  )
})

test_that("tidy() and glance() of sums are those of broom.mixed from data", {
  skip_if_not_installed("generics")
  generics <- \(name) getExportedValue("generics", name)
  formula <- Reaction ~ Days + (Days | Subject)
  found <- rlmm(rlmm_sums(formula, sleepstudy))
  fit <- rlmm(formula, sleepstudy)
  table <- generics("tidy")(found, conf.int = TRUE)
  expect_equal(table$estimate[1:2], unname(fixef(fit)), tolerance = 1e-6)
  expect_equal(
    table$df[1:2],
    unname(coef(summary(fit))[, "df"]),
    tolerance = 1e-6
  )
  expect_equal(
    unname(as.matrix(table[1:2, c("conf.low", "conf.high")])),
    unname(confint(fit, "beta_", method = "Wald")),
    tolerance = 1e-6
  )
  modes <- generics("tidy")(found, effects = "ran_vals")
  expect_equal(nrow(modes), 36L)
  expect_error(
    generics("tidy")(found, effects = "random"),
    class = "rlmm_error_argument"
  )
  glance <- generics("glance")(found)
  expect_equal(glance$BIC, BIC(fit), tolerance = 1e-8)
  skip_if_not_installed("broom.mixed")
  theirs <- generics("tidy")(fit)
  expect_equal(table$term, theirs$term)
  expect_equal(table$group, theirs$group)
  expect_equal(table$estimate, theirs$estimate, tolerance = 1e-5)
  expect_equal(table$std.error, theirs$std.error, tolerance = 1e-5)
  expect_equal(glance, generics("glance")(fit), tolerance = 1e-8)
})

test_that("a diagnosis of sums leaves out what needs rows", {
  found <- rlmm(rlmm_sums(Reaction ~ Days + (Days | Subject), sleepstudy))
  diagnosis <- diagnose(found)
  expect_setequal(
    diagnosis$checks$check,
    c("Convergence", "Singularity", "Levels", "Rows", "Random effects")
  )
  skip_if_not_installed("lattice")
  expect_length(plot(diagnosis), 1L)
})
