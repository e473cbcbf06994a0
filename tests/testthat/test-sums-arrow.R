# Sums of Arrow's data sets, tables and readers of record batches.

test_that("arrow's data sets are fitted in their partitions", {
  skip_if(!nzchar(system.file(package = "arrow")))
  arrow <- \(name) getExportedValue("arrow", name)
  folder <- withr::local_tempdir()
  rows <- InstEval[seq(1, nrow(InstEval), by = 12), ]
  arrow("write_dataset")(rows, folder, partitioning = "dept")
  formula <- y ~ service + (1 | s) + (service | dept)
  fit <- rlmm(formula, rows)
  found <- rlmm(formula, arrow("open_dataset")(folder))
  expect_equal(deviance(found), deviance(fit), tolerance = 1e-9)
  batches <- arrow("as_record_batch_reader")(arrow("arrow_table")(rows))
  expect_equal(
    deviance(rlmm(y ~ 1 + (1 | s), batches)),
    deviance(rlmm(y ~ 1 + (1 | s), rows)),
    tolerance = 1e-9
  )
})

test_that("arrow's whole numbers may be large, and its times have seconds", {
  skip_if(!nzchar(system.file(package = "arrow")))
  arrow <- \(name) getExportedValue("arrow", name)
  rows <- plain_rows()
  rows$int <- 2000000000L + rows$code
  rows$time <- as.POSIXct("2024-01-01", tz = "UTC") + 3600 * rows$code
  table <- arrow("arrow_table")(rows)
  expect_table_fit_of_rows(y ~ int + (1 | g), table, rows)
  expect_table_fit_of_rows(y ~ int:id + (1 | g), table, rows)
  expect_table_fit_of_rows(y ~ time + (1 | g), table, rows)
})

test_that("a reader of record batches is read once, also where levels come first", {
  skip_if(!nzchar(system.file(package = "arrow")))
  arrow <- \(name) getExportedValue("arrow", name)
  rows <- plain_rows()
  batches <- function() {
    parts <- list(rows[1:100, ], rows[101:nrow(rows), ])
    do.call(
      arrow("RecordBatchReader")$create,
      lapply(parts, arrow("RecordBatch")$create)
    )
  }
  expect_table_fit_of_rows(y ~ kind + (1 | g), batches(), rows)
  spent <- batches()
  expect_equal(
    deviance(rlmm(y ~ w + (1 | g), spent)),
    deviance(rlmm(y ~ w + (1 | g), rows))
  )
  error <- expect_error(
    rlmm(y ~ w + (1 | g), spent),
    class = "rlmm_error_no_rows"
  )
  expect_match(conditionMessage(error), "read once")
})

test_that("predictions for Arrow's tables and readers", {
  rows <- plain_rows()
  fit <- rlmm(y ~ x + kind + (1 | g), rows)
  at <- new.env()
  chunks <- function(reset) {
    at$first <- if (reset) -99 else at$first + 100
    own <- seq_len(nrow(rows))
    own <- own[own >= at$first & own < at$first + 100]
    if (!reset && length(own) > 0) rows[own, ]
  }
  expect_equal(unname(predict(fit, chunks)), unname(fitted(fit)))
  skip_if(!nzchar(system.file(package = "arrow")))
  arrow <- \(name) getExportedValue("arrow", name)
  table <- arrow("arrow_table")(rows)
  expect_equal(unname(predict(fit, table)), unname(fitted(fit)))
  folder <- withr::local_tempdir()
  arrow("write_dataset")(rows, folder)
  set <- arrow("open_dataset")(folder)
  expect_equal(unname(predict(fit, set)), unname(fitted(fit)))
})

test_that("what Arrow can't compute is an error that names it, also for tables in memory", {
  skip_if(!nzchar(system.file(package = "arrow")))
  skip_if_not_installed("dplyr")
  arrow <- \(name) getExportedValue("arrow", name)
  rows <- plain_rows()
  table <- arrow("arrow_table")(rows)
  for (data in list(table, dplyr::filter(table, x < 100))) {
    cnd <- expect_no_warning(expect_error(
      rlmm(y ~ x + (1 | interaction(g, kind)), data),
      class = "rlmm_error_sums"
    ))
    expect_identical(cnd$variable, "interaction(g, kind)")
  }
})

test_that("a negative weight is told by engines that compute its logarithm, too", {
  skip_if(!nzchar(system.file(package = "arrow")))
  rows <- plain_rows()
  rows <- rows[rep(seq_len(nrow(rows)), length.out = 5000L), ]
  rows$w <- 1
  rows$w[4500L] <- -1
  table <- getExportedValue("arrow", "arrow_table")(rows)
  expect_error(
    rlmm(y ~ x + (1 | g), table, weights = w),
    class = "rlmm_error_weights"
  )
})
