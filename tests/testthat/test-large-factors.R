# Two fixed factors whose levels are no columns of X, against the model with their dummy columns,
# and the rank rule against lm().

two_factors <- function(parts = 1, n = 900) {
  set.seed(parts)
  firm <- sample(60, n, TRUE)
  of_part <- 35 %/% parts
  school <- (firm - 1) %% parts + parts * (sample(of_part, n, TRUE) - 1) + 1
  d <- data.frame(
    firm = factor(firm),
    school = sprintf("s%03d", school),
    worker = factor(sample(40, n, TRUE)),
    x = rnorm(n, 5),
    sex = sample(c("f", "m"), n, TRUE),
    w = runif(n, 0.5, 2)
  )
  d$size <- rnorm(60)[firm]
  d$cap <- rnorm(40)[school]
  d$both <- d$size + 2 * d$cap
  mean <- 0.3 * d$x + rnorm(60)[firm] + rnorm(40)[school]
  d$y <- mean + rnorm(40, sd = 0.6)[d$worker] + rnorm(n)
  d$count <- rpois(n, exp(pmin(d$y / 3, 3)))
  d
}

# The levels of two factors as `project_on_levels()` takes them.
two_blocks <- function(refs, n_levels) {
  Map(
    \(refs, n, block) list(refs = refs, levels = seq_len(n), block = block),
    refs,
    n_levels,
    1:2
  )
}

expect_equal_by_both <- function(
  fits,
  tolerance = 1e-6,
  of_errors = tolerance
) {
  a <- fits$dummies
  b <- fits$levels
  large <- b$fixed$large
  expect_length(large$factors, 2L)
  expect_equal(
    as.numeric(logLik(b)),
    as.numeric(logLik(a)),
    tolerance = 1e-10
  )
  expect_equal(attributes(logLik(b)), attributes(logLik(a)))
  expect_equal(fixef(b, TRUE), fixef(a, TRUE), tolerance = tolerance)
  expect_equal(fitted(b), fitted(a), tolerance = tolerance)
  errors <- stats::setNames(fixed_levels(b)$std.error, large$names)
  errors <- errors[large$is_column]
  expect_equal(
    errors,
    coef(summary(a))[names(errors), "Std. Error"],
    tolerance = of_errors
  )
}

test_that("what depends on columns before it is dropped, as lm() does it", {
  for (parts in c(1, 3, 8)) {
    d <- two_factors(parts)
    for (formula in c(
      y ~ x + firm + school,
      y ~ 0 + firm + school + x,
      y ~ 0 + school + x + firm,
      y ~ firm + size + school + cap,
      y ~ both + firm + school + x,
      y ~ firm + both + school,
      y ~ firm + school + both,
      y ~ cap + size + firm + school,
      y ~ x + firm + school:sex
    )) {
      mixed <- as.formula(paste(deparse1(formula), "+ (1 | worker)"))
      fits <- by_both_codings(rlmm(mixed, d), d)
      expect_equal_by_both(fits)
      expect_dropped_as_lm(fits$levels, formula, d)
    }
  }
})

test_that("a school for each firm is what lm() makes of it", {
  d <- two_factors()
  d$town <- as.integer(d$firm) %/% 3
  d$town <- factor(paste0("t", d$town))
  fits <- by_both_codings(rlmm(y ~ town + firm + (1 | worker), d), d)
  expect_equal_by_both(fits)
  expect_identical(
    is.na(fixef(fits$levels, add.dropped = TRUE)),
    is.na(coef(lm(y ~ town + firm, d)))
  )
  fits <- by_both_codings(rlmm(y ~ firm + town + (1 | worker), d), d)
  expect_true(all(is.na(fixef(fits$levels, TRUE)[61:79])))
})

test_that("weights of zero and levels without rows", {
  d <- two_factors(3)
  d$w[d$firm == "7" | d$firm == "1" | d$school == "s001"] <- 0
  d$firm <- factor(d$firm, c(levels(d$firm), "nobody's"))
  fits <- by_both_codings(
    rlmm(y ~ x + firm + school + (1 | worker), d, weights = w, REML = FALSE),
    d
  )
  expect_equal_by_both(fits)
  expect_identical(
    is.na(fixef(fits$levels, add.dropped = TRUE)),
    is.na(coef(lm(y ~ x + firm + school, d, weights = w)))
  )
})

test_that("generalized models have two as well", {
  d <- two_factors(3)
  fits <- by_both_codings(
    rglmm(count ~ x + firm + school + (1 | worker), d, poisson),
    d
  )
  # Standard errors are those given theta.
  expect_equal_by_both(fits, tolerance = 1e-5, of_errors = 5e-3)
  d <- two_factors()
  fits <- by_both_codings(
    rglmm(count ~ x + firm + school + (1 | worker), d, poisson),
    d
  )
  tables <- lapply(fits, anova, type = "II")
  expect_equal(tables$levels$Chisq, tables$dummies$Chisq, tolerance = 5e-3)
  expect_identical(tables$levels$Df, tables$dummies$Df)
})

test_that("methods agree with those of dummy columns", {
  d <- two_factors()
  fits <- by_both_codings(
    rlmm(y ~ x + firm + sex + school + (1 | worker), d),
    d
  )
  expect_same <- expecting_same(fits)
  new <- d[c(3, 20, 20, 401), ]
  new$worker <- "somebody else"
  expect_same(\(fit) predict(fit, d[1:9, ], se.fit = TRUE))
  expect_same(\(fit) predict(fit, d[1:9, ], re.form = NA, se.fit = TRUE))
  expect_same(\(fit) {
    predict(fit, new, interval = "confidence", allow.new.levels = TRUE)
  })
  expect_same(\(fit) simulate(fit, 2, seed = 1))
  expect_same(\(fit) as.data.frame(ranef(fit)))
  expect_same(\(fit) hatvalues(fit))
  expect_same(\(fit) fixef(refit(fit, d$y + d$x)))
  expect_same(\(fit) fixef(update(fit, . ~ . - sex)))
  expect_same(\(fit) confint(fit, "x", quiet = TRUE))
  expect_same(\(fit) anova(fit)$`F value`)
  expect_same(\(fit) anova(fit)$NumDF)
  expect_same(\(fit) drop1(fit)$AIC)
  expect_same(\(fit) attr(coef(fit, se = TRUE), "std.error")$worker$x)
})

test_that("tests beside dropped levels are called what they are: type II", {
  d <- two_factors(3)
  fits <- by_both_codings(rlmm(y ~ x + firm + school + (1 | worker), d), d)
  found <- anova(fits$levels)
  right <- anova(fits$dummies, type = "II")
  expect_equal(found$`F value`, right$`F value`, tolerance = 1e-5)
  expect_match(attr(found, "heading")[1L], "^Type II analysis")
  expect_match(attr(found, "heading"), "dropped coefficients", all = FALSE)
})

test_that("tests beside other factors without an intercept are type II", {
  d <- two_factors()
  for (formula in c(y ~ 0 + firm + school, y ~ 0 + firm + sex, y ~ 0 + firm)) {
    mixed <- as.formula(paste(deparse1(formula), "+ x + (1 | worker)"))
    fits <- by_both_codings(rlmm(mixed, d), d)
    found <- anova(fits$levels)
    type <- sub("^Type (I+) .*", "\\1", attr(found, "heading")[1L])
    right <- anova(fits$dummies, type = type)
    expect_equal(found$`F value`, right$`F value`, tolerance = 1e-5)
    has_other <- length(attr(terms(formula), "term.labels")) > 1L
    expect_identical(type, if (has_other) "II" else "III")
  }
})

test_that("marginal means are averaged over the levels that aren't asked for", {
  skip_if_not_installed("emmeans")
  d <- two_factors()
  means <- \(fit, specs) {
    as.data.frame(suppressMessages(emmeans::emmeans(fit, specs)))
  }
  for (fits in list(
    by_both_codings(rlmm(y ~ x + firm + sex + school + (1 | worker), d), d),
    by_both_codings(rlmm(y ~ 0 + firm + sex + school + (1 | worker), d), d)
  )) {
    for (specs in c(~sex, ~firm, ~ school | sex)) {
      expect_equal(
        means(fits$levels, specs),
        means(fits$dummies, specs),
        tolerance = 1e-4,
        ignore_attr = TRUE
      )
    }
  }
})

test_that("the iterative engine has two factors too", {
  d <- two_factors(3, n = 3000)
  rlang::local_options(rlmm.large_factor = 20)
  exact <- rlmm(y ~ x + firm + school + (1 | worker), d)
  by_gradients <- rlmm_control(engine = "iterative")
  fit <- rlmm(y ~ x + firm + school + (1 | worker), d, control = by_gradients)
  expect_identical(fit$engine, "iterative")
  expect_equal(fixef(fit), fixef(exact), tolerance = 1e-3)
  gap <- as.numeric(logLik(fit)) - as.numeric(logLik(exact))
  expect_lt(abs(gap), 3 * attr(logLik(fit), "se"))
})

test_that("the largest two stand apart, none that contains a random term", {
  d <- two_factors()
  rlang::local_options(rlmm.large_factor = 20)
  d$town <- factor(as.integer(d$firm) %% 23)
  apart <- function(formula) {
    fit <- suppressMessages(rlmm(formula, d))
    large <- fit$fixed$large
    vapply(large$factors, `[[`, "", "variable")
  }
  three <- y ~ factor(d$town[sample(900)]) + firm + school + (1 | worker)
  expect_identical(apart(three), c("firm", "school"))
  expect_identical(
    apart(y ~ school + firm + (0 + x | town) + (1 | worker)),
    c("school", "firm")
  )
  # The firms contain the effects of their towns.
  d$block <- factor(as.integer(d$firm) %% 5)
  nested <- suppressMessages(suppressWarnings(
    rlmm(y ~ school + firm + (1 | block) + (1 | worker), d)
  ))
  expect_null(nested$fixed$large)
})

test_that("a generalized model that doesn't fit in memory names the factor", {
  set.seed(7)
  d <- data.frame(
    firm = factor(c(1:600, 1:600)),
    g = factor(sample(500, 1200, TRUE))
  )
  d$z <- rbinom(1200, 1, 0.5)
  rlang::local_options(rlmm.large_factor = 20)
  control <- rlmm_control(memory_limit = 1e-6)
  expect_snapshot({
    writeLines(error_lines(
      rglmm(z ~ firm + (1 | g), d, binomial, control = control)
    ))
  })
})

test_that("both are told of", {
  d <- two_factors()
  rlang::local_options(rlmm.large_factor = 20)
  fit <- rlmm(y ~ x + firm + school + (1 | worker), d)
  found <- preview(y ~ x + firm + school + (1 | worker), d)
  expect_identical(found$fixed$apart, c(firm = 60L, school = 35L))
  expect_identical(names(fixed_levels(fit))[1L], "factor")
  expect_snapshot({
    print(fit, digits = 3)
    writeLines(error_lines(model.matrix(fit)))
    writeLines(grep("levels of", format(found), value = TRUE))
  })
})

test_that("conjugate gradients stay where a solution is found", {
  for (seed in 1:20) {
    set.seed(seed)
    a <- sample(9, 60, TRUE)
    b <- if (seed %% 2L == 0L) a %% 4L + 1L else sample(7, 60, TRUE)
    x <- cbind(rnorm(9)[a], rnorm(7)[b], rnorm(9)[a] + b, rnorm(60), b == 1)
    dense <- cbind(outer(a, 1:9, `==`), outer(b, 1:7, `==`)) + 0
    expect_equal(
      project_on_levels(x, two_blocks(list(a, b), c(9L, 7L)))$rest,
      qr.resid(qr(dense), x),
      tolerance = 1e-9
    )
  }
})

test_that("columns that two factors explain are dropped, or levels after them", {
  d <- two_factors(3)
  d$kind <- as.numeric(d$firm) %% 2
  d$both <- d$kind + rnorm(35)[factor(d$school)]
  for (formula in c(
    y ~ kind + both + firm + school + (1 | worker),
    y ~ firm + school + kind + both + (1 | worker),
    y ~ school + both + firm + kind + (1 | worker)
  )) {
    expect_equal_by_both(by_both_codings(rlmm(formula, d), d), 1e-5)
  }
})

test_that("beside interactions and dropped levels the others are tested by type III", {
  d <- two_factors(3)
  d$h <- factor(sample(letters[1:3], nrow(d), TRUE))
  fits <- by_both_codings(rlmm(y ~ firm + school + h * x + (1 | worker), d), d)
  found <- anova(fits$levels)
  right <- anova(fits$dummies)
  others <- c("h", "x", "h:x")
  expect_equal(
    found[others, "F value"],
    right[others, "F value"],
    tolerance = 1e-5
  )
  expect_match(attr(found, "heading")[1L], "^Type III analysis")
  expect_match(attr(found, "heading"), "type II, beside dropped", all = FALSE)
})

test_that("a factor or a column without a coefficient left isn't tested", {
  d <- two_factors()
  d$same <- d$firm
  fits <- by_both_codings(rlmm(y ~ x + firm + size + same + (1 | worker), d), d)
  found <- anova(fits$levels)
  expect_equal(rownames(found), rownames(anova(fits$dummies, type = "II")))
  d$twice <- 2 * d$x
  d$h <- factor(sample(letters[1:3], nrow(d), TRUE))
  fits <- by_both_codings(
    rlmm(y ~ x + firm + twice + h:x + school + (1 | worker), d),
    d
  )
  expect_error(
    anova(fits$levels),
    "interactions and dropped `twice`",
    class = "rlmm_error_large_factor"
  )
})

test_that("interactions have the names that they have beside dummy columns", {
  d <- two_factors()
  d$h <- factor(sample(letters[1:3], nrow(d), TRUE))
  fits <- by_both_codings(
    rlmm(y ~ firm + school + h:x + x + (1 | worker), d),
    d
  )
  expect_equal(fixef(fits$levels), fixef(fits$dummies), tolerance = 1e-5)
})

test_that("conjugate gradients tell what two factors explain", {
  d <- two_factors(3)
  columns <- cbind(d$x, d$w, d$both)
  refs <- list(as.integer(d$firm), as.integer(factor(d$school)))
  found <- project_on_levels(columns, two_blocks(refs, c(60L, 35L)))
  dense <- model.matrix(~ firm + school, d)
  expect_equal(
    found$rest,
    qr.resid(qr(dense), columns),
    tolerance = 1e-10
  )
})
