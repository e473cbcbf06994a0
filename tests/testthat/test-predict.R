without_response <- function(fit, data) data[setdiff(names(data), all.vars(formula(fit)[[2]]))]

test_that("predictions for the data of the fit are the fitted values, and lme4's", {
  for_each_twin(function(ours, theirs, data, name) {
    new <- data[row.names(model.frame(ours)), ]
    expect_equal(predict(ours), fitted(ours), info = name)
    expect_equal(predict(ours, new), fitted(ours), tolerance = 1e-10, info = name)
    expect_equal(predict(ours, re.form = NA), predict(theirs, re.form = NA), tolerance = 1e-7, info = name)
    expect_equal(predict(ours, new, re.form = NA), predict(ours, re.form = NA), tolerance = 1e-10, info = name)
    random <- fitted(theirs) - predict(theirs, re.form = NA)
    expect_equal(predict(ours, new, random.only = TRUE), random, tolerance = 1e-6, info = name)
    some <- new[rev(seq_len(min(7, nrow(new)))), ]
    expect_equal(predict(ours, some), fitted(ours)[row.names(some)], tolerance = 1e-10, info = name)
    if (length(all.vars(formula(ours)[[2]])) == 1) {
      expect_equal(predict(ours, without_response(ours, some)), predict(ours, some), info = name)
    }
  })
})

test_that("the fixed part is X beta plus offset", {
  for_each_twin(function(ours, theirs, data, name) {
    offset <- fit_offset(ours) %||% 0
    expect_equal(
      predict(ours, re.form = NA), drop(model.matrix(ours) %*% fixef(ours)) + offset,
      ignore_attr = TRUE, info = name
    )
  })
})

test_that("re.form names terms, or columns of terms", {
  pair <- twin("sleep")
  new <- data.frame(Days = c(0, 3.5), Subject = c("309", "335"))
  forms <- list(
    ~0, NA, NULL, ~ (1 | Subject), ~ (0 + Days | Subject), ~ (Days | Subject), ~ (1 + Days | Subject),
    ~ (Days || Subject), ~ (1 | Subject) + (0 + Days | Subject)
  )
  for (form in forms) {
    expect_equal(
      predict(pair$ours, new, re.form = form), predict(pair$theirs, new, re.form = form),
      tolerance = 1e-7, info = deparse1(form)
    )
  }
  pair <- twin("penicillin")
  new <- Penicillin[c(1, 50, 144), ]
  for (form in list(~ (1 | plate), ~ (1 | sample), ~ (1 | sample) + (1 | plate))) {
    expect_equal(
      predict(pair$ours, new, re.form = form), predict(pair$theirs, new, re.form = form), tolerance = 1e-7
    )
  }
  pair <- twin("pastes")
  expect_equal(
    predict(pair$ours, re.form = ~ (1 | batch)), predict(pair$theirs, re.form = ~ (1 | batch)), tolerance = 1e-7
  )
  expect_equal(predict(pair$ours, re.form = ~ (1 | batch / cask)), fitted(pair$ours))
  expect_equal(predict(pair$ours, re.form = ~ (1 | batch:cask)), predict(pair$ours, re.form = ~ (1 | cask:batch)))
})

test_that("a column is needed only if it is used", {
  fit <- twin("sleep")$ours
  expect_equal(
    predict(fit, data.frame(Days = 2), re.form = NA), c(`1` = unname(sum(fixef(fit) * c(1, 2))))
  )
  pair <- twin("penicillin")$ours
  expect_length(predict(pair, data.frame(plate = c("a", "b")), re.form = ~ (1 | plate)), 2)
})

test_that("re.form that isn't of the model is refused", {
  fit <- twin("sleep")$ours
  for (form in list(~ (1 | plate), ~ (Reaction | Subject), ~ (I(Days^2) | Subject), ~Days, "Subject", TRUE)) {
    expect_error(predict(fit, sleepstudy, re.form = form), class = "rlmm_error_re_form")
  }
  expect_snapshot(writeLines(error_lines(predict(fit, sleepstudy, re.form = ~ (1 | plate)))))
  expect_snapshot(writeLines(error_lines(predict(fit, sleepstudy, re.form = "Subject"))))
})

test_that("old spellings of re.form are understood, other arguments reported", {
  fit <- twin("sleep")$ours
  expect_warning(old <- predict(fit, ReForm = NA), class = "rlmm_warning_deprecated")
  expect_equal(old, predict(fit, re.form = NA))
  expect_warning(predict(fit, level = 0), class = "rlmm_warning_unused_argument")
})

test_that("new levels stop, or have no random effects", {
  pair <- twin("sleep")
  new <- data.frame(Days = 1:4, Subject = c("308", "372b", "999", NA))
  expect_error(predict(pair$ours, new), class = "rlmm_error_new_levels")
  expect_snapshot(writeLines(error_lines(predict(pair$ours, new))))
  expect_snapshot(writeLines(error_lines(predict(pair$ours, new[c(1, 4), ]))))
  expect_equal(
    predict(pair$ours, new, allow.new.levels = TRUE), predict(pair$theirs, new, allow.new.levels = TRUE),
    tolerance = 1e-7
  )
  expect_equal(predict(pair$ours, new, re.form = NA), predict(pair$theirs, new, re.form = NA), tolerance = 1e-7)

  pair <- twin("pastes")
  new <- data.frame(batch = c("A", "A", "new"), cask = c("a", "z", "a"))
  expect_error(predict(pair$ours, new), class = "rlmm_error_new_levels")
  expect_equal(
    predict(pair$ours, new, allow.new.levels = TRUE), predict(pair$theirs, new, allow.new.levels = TRUE),
    tolerance = 1e-7
  )
})

test_that("levels of a fixed factor that weren't seen are an error that names them", {
  fit <- twin("npk")$ours
  new <- npk[1:2, ]
  new$N <- factor(c("0", "2"))
  expect_error(predict(fit, new), class = "rlmm_error_unknown_level")
  expect_snapshot(writeLines(error_lines(predict(fit, new))))
})

test_that("missing values follow na.action", {
  pair <- twin("sleep")
  new <- data.frame(Days = c(1, NA, 3), Subject = "308")
  for (action in list(na.pass, na.omit, na.exclude)) {
    expect_equal(
      predict(pair$ours, new, na.action = action), predict(pair$theirs, new, na.action = action), tolerance = 1e-7
    )
  }
  expect_error(predict(pair$ours, new, na.action = na.fail))
})

test_that("characters, tibbles, data.tables, lists, one row and no rows will do", {
  fit <- twin("sleep")$ours
  want <- unname(fitted(fit)[1:2])
  new <- data.frame(Days = c(0L, 1L), Subject = c("308", "308"))
  expect_equal(unname(predict(fit, new)), want)
  expect_equal(unname(predict(fit, as.list(new))), want)
  expect_equal(unname(predict(fit, new[1, ])), want[1])
  expect_identical(unname(predict(fit, new[0, ])), numeric())
  expect_equal(unname(predict(fit, data.frame(Days = 0, Subject = 308))), want[1])
  unused <- data.frame(Days = 0, Subject = factor("308", levels = c("999", "308")))
  expect_equal(unname(predict(fit, unused)), want[1])
  expect_error(predict(fit, as.matrix(new)), class = "rlmm_error_newdata")
  if (requireNamespace("tibble", quietly = TRUE)) expect_equal(unname(predict(fit, tibble::as_tibble(new))), want)
  if (requireNamespace("data.table", quietly = TRUE)) {
    expect_equal(unname(predict(fit, data.table::as.data.table(new))), want)
  }
})

test_that("a factor may come with fewer levels, or as text", {
  fit <- twin("cake_dummy")$ours
  data <- twin("cake_dummy")$data
  new <- data[3:4, ]
  expect_equal(predict(fit, droplevels(new)), fitted(fit)[3:4])
  new$recipe <- as.character(new$recipe)
  expect_equal(predict(fit, new), fitted(fit)[3:4])
})

test_that("expressions as grouping factors mean on new data what they meant in the fit", {
  data <- sleepstudy
  data$x <- rep(seq(0.1, 5, length.out = 60), 3)
  data$r <- as.integer(data$Subject)
  data$a <- rep(c("u", "v"), 90)
  for (formula in list(
    Reaction ~ Days + (1 | cut(x, 4)),
    Reaction ~ Days + (1 | factor(r)),
    Reaction ~ Days + (1 | interaction(a, Subject)),
    Reaction ~ Days + (1 | paste(a, r)),
    Reaction ~ Days + (1 | factor(r):a),
    Reaction ~ Days + (1 | x > mean(x))
  )) {
    fit <- suppressMessages(rlmm(formula, data))
    expect_equal(predict(fit, data), fitted(fit), tolerance = 1e-10, info = deparse1(formula))
    some <- data[c(2, 31, 175), ]
    expect_equal(predict(fit, some), fitted(fit)[c(2, 31, 175)], tolerance = 1e-10, info = deparse1(formula))
    expect_equal(predict(fit, some[1, ]), fitted(fit)[2], tolerance = 1e-10, info = deparse1(formula))
  }
})

test_that("bases, transformations and offsets mean on new data what they meant in the fit", {
  data <- sleepstudy
  data$x <- seq(1, 2, length.out = 180)
  for (formula in list(
    Reaction ~ poly(Days, 2) + (poly(Days, 2) | Subject),
    Reaction ~ splines::ns(Days, 3) + (1 | Subject),
    Reaction ~ scale(Days) + (scale(Days) | Subject),
    log(Reaction) ~ log(x) + I(Days^2) + (1 | Subject),
    Reaction ~ offset(10 * x) + Days + (1 | Subject),
    Reaction ~ factor(Days) * x + (1 | Subject),
    Reaction ~ (Days > 4) + (Days > 4 | Subject)
  )) {
    fit <- suppressMessages(rlmm(formula, data))
    some <- data[c(5, 77, 78), ]
    expect_equal(predict(fit, some), fitted(fit)[c(5, 77, 78)], tolerance = 1e-10, info = deparse1(formula))
  }
  degree <- 2
  fit <- rlmm(Reaction ~ poly(Days, degree) + (1 | Subject), data)
  expect_equal(predict(fit, data[4, ]), fitted(fit)[4], tolerance = 1e-10)
})

test_that("the argument offset is evaluated in the new data, like that of the formula", {
  data <- sleepstudy
  data$o <- 10 * data$Days
  fit <- rlmm(Reaction ~ 1 + (1 | Subject), data, offset = o)
  expect_equal(predict(fit, data[3:5, ]), fitted(fit)[3:5])
  expect_error(predict(fit, data["Subject"]), class = "rlmm_error_variable")
  expect_snapshot(writeLines(error_lines(predict(fit, data["Subject"]))))
})

test_that("missing columns and wrong types are named", {
  fit <- rlmm(Reaction ~ log1p(Days) + (1 | Subject), sleepstudy)
  expect_snapshot(writeLines(error_lines(predict(fit, data.frame(days = 1, Subject = "308")))))
  expect_snapshot(writeLines(error_lines(predict(fit, data.frame(Days = 1)))))
  expect_snapshot(writeLines(error_lines(predict(twin("sleep")$ours, data.frame(Days = "1", Subject = "308")))))
  # A variable of that name outside the new data isn't meant.
  Days <- sleepstudy$Days
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(predict(fit, sleepstudy["Subject"]), class = "rlmm_error_variable")
})

test_that("newparams take the place of the estimates", {
  pair <- twin("sleep")
  new <- list(theta = c(0.5, 0.1, 0.3), beta = c(200, 5))
  theirs <- suppressMessages(predict(pair$theirs, newparams = c(new, sigma = sigma(pair$theirs))))
  expect_equal(predict(pair$ours, newparams = new), theirs, tolerance = 1e-6)
  expect_equal(predict(pair$ours, sleepstudy, newparams = new), theirs, tolerance = 1e-6)
  expect_equal(predict(pair$ours, newparams = list(theta = pair$ours$theta)), fitted(pair$ours), tolerance = 1e-7)
  expect_error(predict(pair$ours, newparams = list(theta = 1)), class = "rlmm_error_argument")
  expect_error(predict(pair$ours, newparams = list(phi = 1)), class = "rlmm_error_argument")
  expect_snapshot(writeLines(error_lines(predict(pair$ours, newparams = list(theta = 1)))))
})

test_that("names with spaces and letters of any script are columns like others", {
  data <- sleepstudy
  names(data)[2] <- "Tage ohne Schlaf"
  data$`größe` <- data$Subject
  fit <- rlmm(Reaction ~ `Tage ohne Schlaf` + (`Tage ohne Schlaf` | größe), data)
  expect_equal(predict(fit, data[11:13, ]), fitted(fit)[11:13])
  expect_equal(predict(fit, re.form = ~ (`Tage ohne Schlaf` | größe)), fitted(fit))
})

test_that("a fit predicts when its data are gone, also after it was saved", {
  make <- function() {
    local_data <- sleepstudy
    local_data$w <- 1
    rlmm(Reaction ~ Days + (Days | Subject), local_data, weights = w)
  }
  fit <- make()
  again <- unserialize(serialize(fit, NULL))
  expect_equal(predict(again, sleepstudy), fitted(fit), tolerance = 1e-10)
  expect_equal(predict(again, re.form = NA), predict(fit, sleepstudy, re.form = NA), tolerance = 1e-10)
})

test_that("rank-deficient models predict from the columns that were kept", {
  pair <- twin("sleep_aliased")
  expect_equal(
    predict(pair$ours, sleepstudy[1:3, ]), predict(pair$theirs, sleepstudy[1:3, ]), tolerance = 1e-7
  )
})
