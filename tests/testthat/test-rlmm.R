test_that("rlmm() takes the arguments of lmer(), in order", {
  skip_if_not_installed("lme4")
  shared <- names(formals(lme4::lmer))
  expect_identical(intersect(names(formals(rlmm)), shared), shared)
})

test_that("the estimates are lme4's", {
  skip_if_not_installed("lme4")
  data <- frame_data()
  data$y <- data$y + as.integer(data$b) + data$x * as.integer(data$c)
  for (formula in list(
    y ~ x + (1 | b),
    y ~ x + (x || c),
    y ~ f + (1 | b) + (0 + x | c)
  )) {
    for (reml in c(TRUE, FALSE)) {
      ours <- suppressMessages(rlmm(formula, data, REML = reml, weights = w))
      theirs <- suppressMessages(lme4::lmer(
        formula,
        data,
        REML = reml,
        weights = w
      ))
      expect_equal(ours$beta, lme4::fixef(theirs), tolerance = 1e-4)
      expect_equal(
        ours$dev$objective,
        unname(lme4::getME(theirs, "devcomp")$cmp[if (reml) "REML" else "dev"])
      )
    }
  }
})

test_that("the formula and its data can come from anywhere", {
  data <- frame_data()
  data$y <- data$y + as.integer(data$b)
  reference <- rlmm(y ~ x + (1 | b), data)
  same <- function(fit) expect_identical(fit$theta, reference$theta)
  same(rlmm("y ~ x + (1 | b)", data))
  same(do.call(rlmm, list(y ~ x + (1 | b), data)))
  same(do.call("rlmm", list(quote(y ~ x + (1 | b)), quote(data))))
  same(with(data, rlmm(y ~ x + (1 | b))))
  inside <- function(covariate, d) {
    formula <- as.formula(paste("y ~", covariate, "+ (1 | b)"))
    rlmm(formula, d)
  }
  same(inside("x", data))
  same(Map(function(f) rlmm(f, data), list(y ~ x + (1 | b)))[[1L]])
})

test_that("the call and the formula are kept as written", {
  data <- frame_data()
  fit <- suppressMessages(rlmm(y ~ a & b + (1 | c), data, REML = FALSE))
  expect_identical(
    fit$call,
    quote(rlmm(formula = y ~ a & b + (1 | c), data = data, REML = FALSE))
  )
  expect_identical(fit$formula, y ~ a & b + (1 | c), ignore_formula_env = TRUE)
})

test_that("family is refused, or ignored if it is gaussian", {
  expect_message(
    suppressMessages(
      rlmm(y ~ x + (1 | b), frame_data(), family = gaussian),
      "rlmm_message_singular"
    ),
    class = "rlmm_message_family"
  )
  expect_error(
    rlmm(y ~ x + (1 | b), frame_data(), family = poisson()),
    class = "rlmm_error_family"
  )
})

test_that("verbose prints every evaluation", {
  data <- frame_data()
  data$y <- data$y + as.integer(data$b)
  expect_output(
    fit <- rlmm(y ~ x + (1 | b), data, verbose = 1),
    "^Engine: exact, level by level\nf_1: [0-9.]+ \\[[0-9.]+\\]"
  )
})

test_that("a singular fit is told in a message that names the term", {
  data <- frame_data()
  data$y <- data$y - ave(data$y, data$b)
  expect_message(
    rlmm(y ~ x + (1 | b), data),
    "`(1 | b)`",
    fixed = TRUE,
    class = "rlmm_message_singular"
  )
  quiet <- rlmm_control(check_conv_singular = "ignore")
  expect_silent(rlmm(y ~ x + (1 | b), data, control = quiet))
})
