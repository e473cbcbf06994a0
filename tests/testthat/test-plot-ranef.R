skip_if_not_installed("lattice")

test_that("a caterpillar has the modes in the order of the first effect, with their intervals", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  modes <- ranef(fit)
  shown <- plot(modes, level = 0.9)
  expect_s3_class(shown, "rlmm_plots")
  first <- shown$Subject$panel.args[[1L]]
  sorted <- order(modes$Subject[[1L]])
  expect_identical(levels(first$y), rownames(modes$Subject)[sorted])
  expect_equal(
    first$x[match(levels(first$y), first$y)],
    modes$Subject[[1L]][sorted]
  )
  half <- qnorm(0.95) * sqrt(attr(modes$Subject, "postVar")[1L, 1L, ])
  expect_equal(
    shown$Subject$panel.args.common$low[1:18],
    modes$Subject[[1L]] - half
  )
  expect_equal(
    lattice::dotplot(modes)$Subject$panel.args,
    plot(modes)$Subject$panel.args
  )
  expect_true(draws(shown))
})

test_that("each grouping factor has a picture of its own order", {
  fit <- rlmm(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  shown <- plot(ranef(fit))
  expect_named(shown, c("plate", "sample"))
  sample <- ranef(fit)$sample
  expect_identical(
    levels(shown$sample$panel.args[[1L]]$y),
    rownames(sample)[order(sample[[1L]])]
  )
  expect_named(plot(ranef(fit), whichel = "sample"), "sample")
  expect_true(draws(shown))
  expect_true(draws(plot(ranef(fit, condVar = FALSE))))
})

test_that("effects are drawn after a transformation, as odds ratios", {
  fit <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  modes <- ranef(fit)
  shown <- lattice::dotplot(modes, transf = exp)$herd
  table <- as.data.frame(modes)
  order <- match(shown$panel.args[[1L]]$y, table$grp)
  half <- qnorm(0.975) * table$condsd
  expect_equal(shown$panel.args[[1L]]$x, exp(table$condval)[order])
  common <- shown$panel.args.common
  expect_equal(common$low, exp(table$condval - half))
  expect_equal(common$high, exp(table$condval + half))
  expect_equal(common$zero, 1)
  expect_equal(
    plot(modes, transf = exp)$herd$panel.args,
    shown$panel.args
  )
  expect_true(draws(shown))
  expect_error(plot(modes, transf = 2), class = "rlmm_error_argument")
})

test_that("qqmath() pairs modes with normal quantiles", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  shown <- lattice::qqmath(ranef(fit))$Subject$panel.args[[2L]]
  expected <- qqnorm(ranef(fit)$Subject$Days, plot.it = FALSE)
  expect_equal(shown$x, expected$y)
  expect_equal(shown$y, expected$x)
  expect_true(draws(lattice::qqmath(ranef(fit))))
})

test_that("plot(coef()) shows the coefficients that vary", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  shown <- plot(coef(fit))
  expect_identical(as.character(shown$Subject$condlevels[[1L]]), "(Intercept)")
  expect_true(draws(shown))
})

test_that("the open points of a shrinkage plot are each group's own regression", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  shown <- plot_shrinkage(fit)$panel.args[[1L]]
  alone <- lm(Reaction ~ 0 + Subject + Subject:Days, sleepstudy)
  expect_equal(shown$x[19:36], unname(coef(alone)[1:18]))
  expect_equal(shown$y[19:36], unname(coef(alone)[19:36]))
  expect_equal(shown$x[1:18], coef(fit)$Subject[["(Intercept)"]])
  expect_true(draws(plot_shrinkage(fit)))
})

test_that("plots of random effects say what they can't draw", {
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  glmm <- rglmm(
    cbind(incidence, size - incidence) ~ period + (1 | herd),
    cbpp,
    binomial
  )
  expect_snapshot({
    writeLines(error_lines(plot(ranef(fit), level = 2)))
    writeLines(error_lines(plot(ranef(fit), whichel = "nothing")))
    writeLines(error_lines(plot_shrinkage(fit)))
    writeLines(error_lines(plot_shrinkage(glmm)))
  })
})

test_that("coefficients with standard errors are drawn with intervals", {
  skip_if_not_installed("lattice")
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  found <- plot(coef(fit, se = TRUE))[[1]]
  table <- as.data.frame(coef(fit, se = TRUE))
  expect_equal(found$panel.args.common$high, table$upr)
  plain <- plot(coef(fit))[[1]]
  expect_equal(plain$panel.args.common$high, table$estimate)
})
