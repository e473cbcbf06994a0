without_response <- function(fit, data) {
  data[setdiff(names(data), all.vars(formula(fit)[[2]]))]
}

test_that("predictions for the data of the fit are the fitted values, and lme4's", {
  for_each_twin(function(ours, theirs, data, name) {
    new <- data[row.names(model.frame(ours)), ]
    expect_equal(predict(ours), fitted(ours), info = name)
    expect_equal(
      predict(ours, new),
      fitted(ours),
      tolerance = 1e-10,
      info = name
    )
    expect_equal(
      predict(ours, re.form = NA),
      predict(theirs, re.form = NA),
      tolerance = 1e-7,
      info = name
    )
    expect_equal(
      predict(ours, new, re.form = NA),
      predict(ours, re.form = NA),
      tolerance = 1e-10,
      info = name
    )
    random <- fitted(theirs) - predict(theirs, re.form = NA)
    expect_equal(
      predict(ours, new, random.only = TRUE),
      random,
      tolerance = 1e-6,
      info = name
    )
    some <- new[rev(seq_len(min(7, nrow(new)))), ]
    expect_equal(
      predict(ours, some),
      fitted(ours)[row.names(some)],
      tolerance = 1e-10,
      info = name
    )
    if (length(all.vars(formula(ours)[[2]])) == 1) {
      expect_equal(
        predict(ours, without_response(ours, some)),
        predict(ours, some),
        info = name
      )
    }
  })
})

test_that("the fixed part is X beta plus offset", {
  for_each_twin(function(ours, theirs, data, name) {
    offset <- fit_offset(ours) %||% 0
    expect_equal(
      predict(ours, re.form = NA),
      drop(model.matrix(ours) %*% fixef(ours)) + offset,
      ignore_attr = TRUE,
      info = name
    )
  })
})

test_that("missing values follow na.action", {
  pair <- twin("sleep")
  new <- data.frame(Days = c(1, NA, 3), Subject = "308")
  for (action in list(na.pass, na.omit, na.exclude)) {
    expect_equal(
      predict(pair$ours, new, na.action = action),
      predict(pair$theirs, new, na.action = action),
      tolerance = 1e-7
    )
  }
  for (action in list(na.fail, "na.fail", "fail")) {
    for (method in c(predict, simulate)) {
      expect_error(
        method(pair$ours, newdata = new, na.action = action),
        "at row 2",
        class = "rlmm_error_missing"
      )
    }
  }
  expect_error(
    predict(pair$ours, new, na.action = na.fail, interval = "prediction"),
    class = "rlmm_error_missing"
  )
})

test_that("newparams take the place of the estimates", {
  pair <- twin("sleep")
  new <- list(theta = c(0.5, 0.1, 0.3), beta = c(200, 5))
  theirs <- suppressMessages(predict(
    pair$theirs,
    newparams = c(new, sigma = sigma(pair$theirs))
  ))
  expect_equal(predict(pair$ours, newparams = new), theirs, tolerance = 1e-6)
  expect_equal(
    predict(pair$ours, sleepstudy, newparams = new),
    theirs,
    tolerance = 1e-6
  )
  expect_equal(
    predict(pair$ours, newparams = list(theta = pair$ours$theta)),
    fitted(pair$ours),
    tolerance = 1e-7
  )
  expect_error(
    predict(pair$ours, newparams = list(theta = 1)),
    class = "rlmm_error_argument"
  )
  expect_error(
    predict(pair$ours, newparams = list(phi = 1)),
    class = "rlmm_error_argument"
  )
  expect_snapshot(writeLines(error_lines(predict(
    pair$ours,
    newparams = list(theta = 1)
  ))))
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
  expect_equal(
    predict(again, re.form = NA),
    predict(fit, sleepstudy, re.form = NA),
    tolerance = 1e-10
  )
})

test_that("rank-deficient models predict from the columns that were kept", {
  pair <- twin("sleep_aliased")
  expect_equal(
    predict(pair$ours, sleepstudy[1:3, ]),
    predict(pair$theirs, sleepstudy[1:3, ]),
    tolerance = 1e-7
  )
})

test_that("arguments that aren't used are reported, named or not", {
  fit <- twin("sleep")$ours
  expect_warning(
    predict(fit, levl = 0),
    class = "rlmm_warning_unused_argument"
  )
  expect_warning(
    predict(fit, NULL, NULL, "link", FALSE, FALSE, 1),
    class = "rlmm_warning_unused_argument"
  )
  expect_error(
    predict(fit, newparams = list(c(1, 1))),
    class = "rlmm_error_argument"
  )
})

test_that("new data without rows have no predictions", {
  fit <- twin("sleep")$ours
  expect_length(predict(fit, sleepstudy[0, ]), 0)
  none <- predict(fit, sleepstudy[0, ], interval = "prediction", se.fit = TRUE)
  expect_equal(dim(none$fit), c(0L, 3L))
})
