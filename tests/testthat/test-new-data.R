test_that("a column is needed only if it is used", {
  fit <- twin("sleep")$ours
  expect_equal(
    predict(fit, data.frame(Days = 2), re.form = NA),
    c(`1` = unname(sum(fixef(fit) * c(1, 2))))
  )
  pair <- twin("penicillin")$ours
  expect_length(
    predict(pair, data.frame(plate = c("a", "b")), re.form = ~ (1 | plate)),
    2
  )
})

test_that("new levels stop, or have no random effects", {
  pair <- twin("sleep")
  new <- data.frame(Days = 1:4, Subject = c("308", "372b", "999", NA))
  expect_error(predict(pair$ours, new), class = "rlmm_error_new_levels")
  expect_snapshot(writeLines(error_lines(predict(pair$ours, new))))
  expect_snapshot(writeLines(error_lines(predict(pair$ours, new[c(1, 4), ]))))
  expect_equal(
    predict(pair$ours, new, allow.new.levels = TRUE),
    predict(pair$theirs, new, allow.new.levels = TRUE),
    tolerance = 1e-7
  )
  expect_equal(
    predict(pair$ours, new, re.form = NA),
    predict(pair$theirs, new, re.form = NA),
    tolerance = 1e-7
  )

  pair <- twin("pastes")
  new <- data.frame(batch = c("A", "A", "new"), cask = c("a", "z", "a"))
  expect_error(predict(pair$ours, new), class = "rlmm_error_new_levels")
  expect_equal(
    predict(pair$ours, new, allow.new.levels = TRUE),
    predict(pair$theirs, new, allow.new.levels = TRUE),
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

test_that("characters, tibbles, data.tables, lists, one row and no rows will do", {
  fit <- twin("sleep")$ours
  want <- unname(fitted(fit)[1:2])
  new <- data.frame(Days = c(0L, 1L), Subject = c("308", "308"))
  expect_equal(unname(predict(fit, new)), want)
  expect_equal(unname(predict(fit, as.list(new))), want)
  expect_equal(unname(predict(fit, new[1, ])), want[1])
  expect_identical(unname(predict(fit, new[0, ])), numeric())
  expect_equal(
    unname(predict(fit, data.frame(Days = 0, Subject = 308))),
    want[1]
  )
  unused <- data.frame(
    Days = 0,
    Subject = factor("308", levels = c("999", "308"))
  )
  expect_equal(unname(predict(fit, unused)), want[1])
  expect_error(predict(fit, as.matrix(new)), class = "rlmm_error_newdata")
  if (requireNamespace("tibble", quietly = TRUE)) {
    expect_equal(unname(predict(fit, tibble::as_tibble(new))), want)
  }
  if (requireNamespace("data.table", quietly = TRUE)) {
    expect_equal(unname(predict(fit, data.table::as.data.table(new))), want)
  }
})

test_that("a factor may come with fewer levels, or as text", {
  fit <- twin("cake_dummy")$ours
  skip_if(is.null(fit), "no data for cake_dummy")
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
    expect_equal(
      predict(fit, data),
      fitted(fit),
      tolerance = 1e-10,
      info = deparse1(formula)
    )
    some <- data[c(2, 31, 175), ]
    expect_equal(
      predict(fit, some),
      fitted(fit)[c(2, 31, 175)],
      tolerance = 1e-10,
      info = deparse1(formula)
    )
    expect_equal(
      predict(fit, some[1, ]),
      fitted(fit)[2],
      tolerance = 1e-10,
      info = deparse1(formula)
    )
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
    expect_equal(
      predict(fit, some),
      fitted(fit)[c(5, 77, 78)],
      tolerance = 1e-10,
      info = deparse1(formula)
    )
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
  skip_if_not_installed("lme4")
  fit <- rlmm(Reaction ~ log1p(Days) + (1 | Subject), sleepstudy)
  expect_snapshot(writeLines(error_lines(predict(
    fit,
    data.frame(days = 1, Subject = "308")
  ))))
  expect_snapshot(writeLines(error_lines(predict(fit, data.frame(Days = 1)))))
  expect_snapshot(writeLines(error_lines(predict(
    twin("sleep")$ours,
    data.frame(Days = "1", Subject = "308")
  ))))
  # A variable of that name outside the new data isn't meant.
  Days <- sleepstudy$Days
  fit <- rlmm(Reaction ~ Days + (1 | Subject), sleepstudy)
  expect_error(
    predict(fit, sleepstudy["Subject"]),
    class = "rlmm_error_variable"
  )
})

test_that("names with spaces and letters of any script are columns like others", {
  data <- sleepstudy
  names(data)[2] <- "Tage ohne Schlaf"
  data$`größe` <- data$Subject
  fit <- rlmm(
    Reaction ~ `Tage ohne Schlaf` + (`Tage ohne Schlaf` | größe),
    data
  )
  expect_equal(predict(fit, data[11:13, ]), fitted(fit)[11:13])
  expect_equal(
    predict(fit, re.form = ~ (`Tage ohne Schlaf` | größe)),
    fitted(fit)
  )
})

test_that("what the formula's environment holds may stand in a call, not for a column", {
  data <- frame_data()
  fit <- suppressMessages(rlmm(y ~ C(f, contr.sum) + (1 | b), data))
  rows <- c(3, 50, 7)
  expect_equal(unname(predict(fit, data[rows, ])), unname(fitted(fit)[rows]))
  x <- 3
  fit <- suppressMessages(rlmm(y ~ x + z + (1 | b), data))
  expect_error(
    predict(fit, data[1, c("z", "b")]),
    "`x`",
    class = "rlmm_error_variable"
  )
  names(data)[2] <- "t"
  fit <- suppressMessages(rlmm(y ~ log(abs(t)) + (1 | b), data))
  expect_error(
    predict(fit, data[rows, c("z", "b")]),
    "no column `t`",
    class = "rlmm_error_newdata"
  )
})

test_that("levels of an interaction that have the same name aren't confused", {
  data <- frame_data()
  data$p <- factor(ifelse(data$lg, "k:l", "k"))
  data$q <- factor(ifelse(data$x > 0, "m", "l:m"))
  data$y <- data$y + 5 * data$lg
  fit <- rlmm(y ~ 1 + (1 | p:q), data)
  same <- fitted(fit)[paste(data$p, data$q, sep = ":") == "k:l:m"]
  expect_length(unique(same), 2L)
  expect_error(
    predict(fit, data[1:9, ]),
    "\"k:l:m\"",
    class = "rlmm_error_newdata"
  )
  others <- which(data$lg & data$x <= 0)
  expect_equal(
    unname(predict(fit, data[others, ])),
    unname(fitted(fit)[others])
  )
})

test_that("whole numbers are the same levels as integers and as doubles", {
  data <- frame_data()
  data$k <- data$int * 100000L
  data$y <- data$y + data$int
  for (as in list(as.integer, as.double, factor)) {
    fit <- rlmm(y ~ x + (1 | k), transform(data, k = as(k)))
    for (new in list(as.integer, as.double)) {
      expect_equal(
        unname(predict(fit, transform(data, k = new(k))[1:9, ])),
        unname(fitted(fit)[1:9])
      )
    }
  }
})

test_that("a group that is NaN is missing", {
  data <- frame_data()
  data$y <- data$y + data$int
  fit <- rlmm(y ~ x + (1 | int), data)
  new <- transform(data[1:4, ], int = c(int[1:2], NaN, int[4]))
  expect_error(predict(fit, new), "missing level of `int`.*row 3")
  expect_identical(
    predict(fit, new, allow.new.levels = TRUE)[3L],
    predict(fit, new, re.form = NA)[3L]
  )
  crossed <- rlmm(y ~ x + (1 | b:int), data)
  expect_error(predict(crossed, new), "missing level of `b:int`")
})

test_that("with rows left out a variable of the environment isn't taken for a missing column", {
  values <- frame_data()
  xs <- replace(values$x, 5, NA)
  ys <- values$y + as.integer(values$b)
  bs <- values$b
  fit <- rlmm(ys ~ exp(xs) + (1 | bs))
  expect_error(
    predict(fit, data.frame(bs = values$b)),
    "`xs`",
    class = "rlmm_error_variable"
  )
})

test_that("durations, dates and times are read as in the fit", {
  set.seed(1)
  d <- data.frame(g = gl(10, 12), hours = round(runif(120, 1, 200)))
  d$y <- d$hours / 50 + rnorm(10)[d$g] + rnorm(120)
  d$span <- as.difftime(d$hours, units = "hours")
  d$time <- as.POSIXct("2024-03-01", tz = "UTC") + d$span
  d$day <- as.Date(d$time)
  in_days <- d
  units(in_days$span) <- "days"
  for (slim in c(FALSE, TRUE)) {
    fit <- rlmm(
      y ~ span + (0 + span | g),
      d,
      control = rlmm_control(slim = slim)
    )
    expect_equal(predict(fit, in_days), predict(fit, d))
    expect_error(
      predict(fit, transform(d, span = hours)),
      class = "rlmm_error_newdata"
    )
  }
  fit <- rlmm(y ~ I(span) + (1 | g), d)
  expect_equal(predict(fit, in_days), predict(fit, d))
  expect_true(anyNA(predict(fit, transform(d, span = NA))))

  at_time <- rlmm(y ~ time + (1 | g), d)
  expect_equal(
    predict(at_time, transform(d, time = as.POSIXct(format(time), tz = "UTC"))),
    predict(at_time, d)
  )
  lt <- as.list(d)
  lt$time <- as.POSIXlt(lt$time)
  expect_equal(predict(at_time, lt), predict(at_time, d))
  expect_snapshot(writeLines(error_lines(predict(
    at_time,
    transform(d, time = day)
  ))))
  at_day <- rlmm(y ~ day + (1 | g), d)
  expect_snapshot(writeLines(error_lines(predict(
    at_day,
    transform(d, day = time)
  ))))
  expect_error(
    predict(at_day, transform(d, day = format(day))),
    class = "rlmm_error_newdata"
  )
})

test_that("messages show variables as the formula has them", {
  fit <- rlmm(Reaction ~ poly(Days, 2) + (1 | Subject), sleepstudy)
  strata <- rlmm(
    distance ~ age + (1 | Subject),
    nlme::Orthodont,
    dispersion = ~Sex
  )
  new <- data.frame(age = 8, Subject = "M01")
  expect_snapshot({
    writeLines(error_lines(predict(fit, data.frame(Subject = "308"))))
    writeLines(error_lines(predict(strata, new, interval = "prediction")))
    writeLines(error_lines(predict(strata, data.frame(g = 1))))
  })
})
