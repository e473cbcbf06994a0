# lme4's and nlme's functions of this name, and lm() group by group.

test_that("fits are those of lme4", {
  skip_if_not_installed("lme4")
  ours <- lmList(Reaction ~ Days | Subject, sleepstudy)
  theirs <- lme4::lmList(Reaction ~ Days | Subject, sleepstudy)
  same <- \(get, ...) {
    expect_equal(get(ours, ...), get(theirs, ...), ignore_attr = TRUE)
  }
  same(\(x) as.matrix(coef(x)))
  same(sigma)
  same(nlme::fixef)
  same(\(x) as.numeric(logLik(x)))
  same(\(x) attr(logLik(x), "df"))
  same(\(x) summary(x)$coefficients)
  expect_equal(
    unclass(confint(ours, pool = FALSE)),
    array(confint(theirs), c(18, 2, 2)),
    ignore_attr = TRUE
  )
  expect_equal(names(ours), names(theirs))
  expect_equal(as.vector(residuals(ours)), as.vector(residuals(theirs)))
})

test_that("pooled limits are nlme's intervals", {
  ours <- lmList(distance ~ I(age - 11) | Subject, nlme::Orthodont)
  theirs <- nlme::lmList(distance ~ I(age - 11) | Subject, nlme::Orthodont)
  expected <- unclass(nlme::intervals(theirs))[, c("lower", "upper"), ]
  found <- unclass(confint(ours))[dimnames(expected)[[1]], , ]
  expect_equal(unname(found), unname(expected), ignore_attr = TRUE)
  first <- confint(ours, pool = FALSE)["M01", , ]
  expect_equal(first, t(confint(ours[["M01"]])))
})

test_that("weights, offsets, subsets and missing values are lm()'s", {
  data <- sleepstudy
  data$w <- 1 + data$Days %% 3
  data$o <- 2 * data$Days
  data$Reaction[5] <- NA
  ours <- lmList(
    Reaction ~ poly(Days, 2) | Subject,
    data,
    weights = w,
    offset = o,
    subset = Days > 0,
    na.action = na.exclude
  )
  one <- subset(data, Subject == "309" & Days > 0)
  # model.frame() evaluates bases before it takes the subset.
  x <- predict(poly(data$Days, 2), one$Days)
  alone <- lm(Reaction ~ x, one, weights = w, offset = o)
  expect_equal(unname(unlist(coef(ours)["309", ])), unname(coef(alone)))
  expect_equal(summary(ours, pool = FALSE)$sigma[["309"]], sigma(alone))
  expect_length(fitted(ours), 162)
  expect_true(is.na(residuals(ours)[["5"]]))
})

test_that("generalized models are fitted by group", {
  skip_if_not_installed("lme4")
  data <- transform(cbpp, time = as.numeric(period))
  formula <- cbind(incidence, size - incidence) ~ time | herd
  ours <- suppressWarnings(lmList(formula, data, family = binomial))
  theirs <- suppressWarnings(lme4::lmList(formula, data, family = binomial))
  expect_equal(
    as.matrix(coef(ours)),
    as.matrix(coef(theirs)),
    ignore_attr = TRUE
  )
  expect_equal(sigma(ours), 1)
  first <- summary(ours[["1"]])$coefficients
  expect_equal(unname(summary(ours)$coefficients["1", , ]), unname(t(first)))
})

test_that("predictions are those of the groups", {
  fits <- lmList(Reaction ~ Days | Subject, sleepstudy)
  new <- data.frame(Days = c(0, 5, 1), Subject = c("335", "308", "nobody"))
  found <- predict(fits, new)
  expect_equal(
    unname(found[1:2]),
    c(coef(fits)["335", 1], sum(coef(fits)["308", ] * c(1, 5)))
  )
  expect_true(is.na(found[3]))
  expect_equal(predict(fits), fitted(fits))
  changed <- update(fits, . ~ . + I(Days^2))
  expect_length(coef(changed), 3)
  expect_equal(
    formula(changed),
    Reaction ~ Days + I(Days^2) | Subject,
    ignore_formula_env = TRUE
  )
})

test_that("groups too small have missing values, groups that fail a warning", {
  data <- rbind(
    sleepstudy,
    data.frame(Reaction = 250, Days = 3, Subject = "single")
  )
  fits <- lmList(Reaction ~ Days | Subject, data)
  expect_equal(unlist(coef(fits)["single", ], use.names = FALSE), c(250, NA))
  expect_equal(sigma(fits), 25.59182, tolerance = 1e-6)
  data <- transform(sleepstudy, Reaction = replace(Reaction, 1L, -1))
  expect_warning(
    fits <- lmList(Reaction ~ Days | Subject, data, Gamma),
    class = "rlmm_warning_lmlist"
  )
  expect_true(all(is.na(coef(fits)["308", ])))
  expect_output(print(fits), "NA")
})

test_that("it is an error if the fits of all groups fail", {
  data <- transform(sleepstudy, Reaction = -1)
  expect_error(
    lmList(Reaction ~ Days | Subject, data, Gamma),
    "all 18 groups",
    class = "rlmm_error_lmlist"
  )
})

test_that("the pooled likelihood is that of the rows with weight, in groups that have a fit", {
  data <- transform(
    as.data.frame(nlme::Orthodont),
    w = rep(0:3, 27),
    Subject = factor(Subject, ordered = FALSE)
  )
  fits <- lmList(distance ~ age | Subject, data, weights = w)
  truth <- lm(distance ~ 0 + Subject + Subject:age, data, weights = w)
  expect_equal(as.numeric(logLik(fits)), as.numeric(logLik(truth)))
  expect_equal(c(nobs(fits), sigma(fits)), c(nobs(truth), sigma(truth)))
  # The fit of one group fails, whose rows don't count.
  lost <- transform(data, y = ifelse(Subject == "M01", -1, distance))
  rest <- subset(data, Subject != "M01")
  expect_warning(
    fits <- lmList(y ~ age | Subject, lost, Gamma),
    class = "rlmm_warning_lmlist"
  )
  expect_identical(nobs(fits), nrow(rest))
})

test_that("rows and arguments are checked as in a mixed model", {
  data <- transform(as.data.frame(nlme::Orthodont), w = rep(1:4, 27))
  list_of <- function(...) lmList(distance ~ age | Subject, ...)
  expect_error(list_of(data, weights = w - 2), class = "rlmm_error_weights")
  expect_error(list_of(data, weights = 1:3), class = "rlmm_error_weights")
  expect_error(list_of(data, subset = "age > 9"), class = "rlmm_error_subset")
  expect_error(list_of(data, family = "logit"), class = "rlmm_error_argument")
  expect_error(list_of(data, na.action = "foo"), class = "rlmm_error_argument")
  data$age[3] <- NA
  expect_error(
    list_of(data, na.action = na.fail),
    class = "rlmm_error_missing"
  )
  data$age[3] <- Inf
  expect_error(list_of(data), class = "rlmm_error_non_finite")
  expect_identical(
    coef(lmList(distance ~ (age | Subject), data[-3, ])),
    coef(lmList(distance ~ age | Subject, data[-3, ]))
  )
})

test_that("fits print, and draw themselves", {
  fits <- lmList(distance ~ age | Subject, head(nlme::Orthodont, 12))
  expect_snapshot({
    fits
    summary(fits)
  })
  skip_if_not_installed("lattice")
  shown <- plot(lmList(Reaction ~ Days | Subject, sleepstudy))
  expect_s3_class(shown, "trellis")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_no_warning(print(shown))
})

test_that("nlme's data and wrong formulas are understood", {
  theirs <- lmList(nlme::Orthodont)
  expect_s3_class(theirs, "lmList")
  expect_snapshot({
    writeLines(error_lines(lmList(Reaction ~ Days, sleepstudy)))
    writeLines(error_lines(lmList(3, sleepstudy)))
    writeLines(error_lines(
      confint(lmList(Reaction ~ Days | Subject, sleepstudy), "day")
    ))
  })
})

test_that("groups by several factors, and variables that aren't there", {
  both <- lmList(distance ~ age | Sex:Subject, nlme::Orthodont)
  one <- lmList(distance ~ age | Subject, nlme::Orthodont)
  expect_length(both, 27)
  expect_equal(unlist(coef(both)["Male:M01", ]), unlist(coef(one)["M01", ]))
  expect_snapshot({
    writeLines(error_lines(lmList(distance ~ age | subject, nlme::Orthodont)))
    writeLines(error_lines(lmList(
      distance ~ age | Subject / Sex,
      nlme::Orthodont
    )))
  })
})
