skip_if_not_installed("lattice")

test_that("lines are predictions at the values that are drawn", {
  fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
  curves <- group_curves(fit, NULL, NULL, 24, "response")
  expect_equal(curves$x, "Days")
  own <- curves$lines[curves$lines$group == "335", ]
  new <- data.frame(Days = own$x, Subject = "335")
  expect_equal(own$conditional, unname(predict(fit, new)))
  expect_equal(own$population, unname(predict(fit, new, re.form = NA)))
  expect_equal(curves$data$y, sleepstudy$Reaction)
})

test_that("of many groups some are drawn, from the lowest to the highest", {
  fit <- rglmm(
    use ~ age + I(age^2) + urban + (1 | district),
    Contraception,
    family = binomial
  )
  curves <- group_curves(fit, "age", "district", 9, "response")
  expect_equal(nlevels(curves$data$group), 9)
  effects <- ranef(fit)$district[[1]]
  shown <- ranef(fit)$district[levels(curves$data$group), 1]
  expect_equal(range(shown), range(effects))
  expect_false(is.unsorted(shown))
  expect_true(all(curves$data$y %in% 0:1))
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_error(print(plot_by_group(fit, max_groups = 9)))
  expect_no_error(print(plot_by_group(fit, type = "link", max_groups = 4)))
})

test_that("other covariates are at their mean, or commonest value", {
  data <- data.frame(x = c(1, 3, 2), z = c(1, 1, 4), f = c("b", "a", "b"))
  grid <- grid_of_group(data, "x")
  expect_equal(range(grid$x), c(1, 3))
  expect_equal(unique(grid$z), 2)
  expect_equal(unique(grid$f), "b")
})

test_that("what can't be drawn is told", {
  fit <- rlmm(Yield ~ 1 + (1 | Batch), Dyestuff)
  expect_snapshot({
    writeLines(error_lines(plot_by_group(fit)))
    writeLines(error_lines(plot_by_group(fit, "Batch")))
  })
})

test_that("a fit without its data has no picture", {
  slim <- rlmm(
    Reaction ~ Days + (Days | Subject),
    sleepstudy,
    control = rlmm_control(slim = TRUE)
  )
  expect_error(plot_by_group(slim), class = "rlmm_error_slim")
})

test_that("a factor has its levels on the x axis", {
  fit <- rlmm(strength ~ cask + (1 | batch), Pastes)
  curves <- group_curves(fit, NULL, NULL, 24, "response")
  expect_equal(curves$x, "cask")
  expect_equal(curves$levels, levels(Pastes$cask))
  expect_equal(curves$data$x, as.integer(Pastes$cask))
  own <- curves$lines[curves$lines$group == "C", ]
  new <- data.frame(cask = levels(Pastes$cask), batch = "C")
  expect_equal(own$conditional, unname(predict(fit, new)))
  expect_equal(own$x, 1:3)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_error(print(plot_by_group(fit)))
})

test_that("a group with one level has the predictions of all levels", {
  data <- sleepstudy
  data$arm <- as.numeric(as.character(data$Subject)) > 340
  fit <- rlmm(Reaction ~ arm + (1 | Subject), data)
  curves <- group_curves(fit, "arm", NULL, 24, "response")
  own <- curves$lines[curves$lines$group == "308", ]
  new <- data.frame(arm = c(FALSE, TRUE), Subject = "308")
  expect_equal(own$conditional, unname(predict(fit, new)))
  expect_equal(unique(curves$data$x[data$Subject == "308"]), 1)
})
