# A search that goes on for long: a step counts however small it is.
endless <- rlmm_control(
  optimizer = "LN_NELDERMEAD",
  ftol_abs = 0,
  ftol_rel = 0,
  xtol_abs = 0,
  check_conv_singular = "ignore"
)

# What a child process has seen that fits in a loop and is interrupted by a signal, as by Ctrl-C,
# some seconds after it has printed lines.
interrupted_child <- function(fit, seconds = 0) {
  folder <- withr::local_tempdir()
  files <- file.path(folder, c("script.R", "pid", "result.rds", "log"))
  body <- bquote({
    library(rlmm)
    endless <- .(endless)
    loops <- 0
    writeLines(as.character(Sys.getpid()), .(files[2]))
    ended <- tryCatch(
      {
        for (i in 1:10) {
          .(fit)
          loops <- i
        }
        "loop"
      },
      interrupt = \(cnd) "interrupt"
    )
    last <- last_rlmm()
    found <- list(ended = ended, loops = loops, last = last)
    saveRDS(found, paste0(.(files[3]), "-"))
    file.rename(paste0(.(files[3]), "-"), .(files[3]))
  })
  dput(body, files[1])
  withr::local_envvar(
    R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep)
  )
  file.create(files[4])
  start_child(files[1], files[4])
  wait_until(\() length(readLines(files[4], warn = FALSE)) > 5)
  pid <- as.integer(readLines(files[2]))
  skip_if(ignores_interrupts(pid), "the child process ignores interrupts")
  Sys.sleep(seconds)
  tools::pskill(pid, tools::SIGINT)
  wait_until(\() file.exists(files[3]))
  if (file.exists(files[3])) readRDS(files[3]) else readLines(files[4])
}

# Code after which the lines are printed when a function of the core is first called: before, an
# interrupt would find R at work.
announce <- function(name) {
  bquote(suppressMessages(trace(
    .(name),
    quote(message(strrep("begun\n", 6))),
    print = FALSE,
    where = asNamespace("rlmm")
  )))
}

# A shell's background process ignores interrupts, and so does an R that it starts; perl can undo
# that.
start_child <- function(script, log) {
  command <- file.path(R.home("bin"), "Rscript")
  arguments <- script
  perl <- Sys.which("perl")
  if (nzchar(perl)) {
    listening <- shQuote("$SIG{INT} = 'DEFAULT'; exec @ARGV")
    arguments <- c("-e", listening, command, script)
    command <- perl
  }
  system2(command, arguments, log, log, wait = FALSE)
}

# Whether a process ignores SIGINT, the second bit of a mask, as far as the system tells.
ignores_interrupts <- function(pid) {
  status <- file.path("/proc", pid, "status")
  if (!file.exists(status)) {
    return(FALSE)
  }
  mask <- grep("^SigIgn:", readLines(status), value = TRUE)
  last <- strtoi(substring(mask, nchar(mask)), 16L)
  bitwAnd(last, 2L) > 0L
}

wait_until <- function(condition, seconds = 60) {
  until <- Sys.time() + seconds
  while (!condition() && Sys.time() < until) {
    Sys.sleep(0.05)
  }
}

test_that("an interrupt ends the loop around a fit; what was found is kept", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not(
    "rlmm" %in% rownames(utils::installed.packages()),
    "the package isn't installed"
  )
  found <- interrupted_child(quote(rlmm(
    score ~ 1 + (0 + f | id),
    transform(
      data.frame(id = gl(500, 24), f = gl(6, 1, 12000)),
      score = sin(seq_len(12000)^1.5)
    ),
    control = endless,
    verbose = 1
  )))
  expect_type(found, "list")
  expect_identical(found$ended, "interrupt")
  expect_identical(found$loops, 0)
  expect_s3_class(found$last, "rlmm_lmm")
  expect_identical(found$last$optsum$status, "FORCED_STOP")
  expect_match(
    paste(format(found$last), collapse = " "),
    "it was interrupted"
  )
  # It is a fit like any other.
  expect_equal(
    found$last$dev$objective,
    as.function(found$last)(found$last$theta)
  )
})

test_that("so does that of a generalized model", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not(
    "rlmm" %in% rownames(utils::installed.packages()),
    "the package isn't installed"
  )
  found <- interrupted_child(quote(rglmm(
    y ~ x + (x | id),
    transform(
      data.frame(id = gl(500, 12), x = rep_len(c(-1, 0, 1.5, 2), 6000)),
      y = floor(3 + 3 * sin(seq_len(6000)^1.5))
    ),
    family = poisson,
    control = endless,
    verbose = 1
  )))
  expect_identical(found$ended, "interrupt")
  expect_s3_class(found$last, "rlmm_glmm")
  expect_identical(found$last$optsum$status, "FORCED_STOP")
})

test_that("an interrupt ends what waits for a bootstrap or many responses", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not(
    "rlmm" %in% rownames(utils::installed.packages()),
    "the package isn't installed"
  )
  found <- interrupted_child(
    bquote({
      .(announce("rust_lmm_bootstrap"))
      model <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
      bootstrap(model, 5e5)
    }),
    seconds = 1
  )
  expect_identical(found$ended, "interrupt")
  expect_identical(found$loops, 0)
  expect_s3_class(found$last, "rlmm_bootstrap")
  n_done <- length(found$last$replicate)
  expect_true(n_done > 0L && n_done < 5e5)
  longer <- update(found$last, n_done + 5)
  expect_true(all(seq_len(n_done + 5) %in% longer$replicate))
  found <- interrupted_child(
    bquote({
      .(announce("rust_lmm_fit_many"))
      # All take many seconds, those of the first pattern of missing values nearly all of them, so
      # that the signal finds the core at work.
      responses <- matrix(sin(seq_len(180 * 20000)^1.5), 180)
      responses[1, 7] <- NA
      rlmm_many(
        responses ~ Days + (Days | Subject),
        sleepstudy,
        control = endless
      )
    }),
    seconds = 1
  )
  expect_identical(found$ended, "interrupt")
  expect_identical(found$loops, 0)
  expect_s3_class(found$last, "rlmm_many")
})

test_that("groups of responses after an interrupted one are not begun", {
  fit_group <- \(i, is_ended) list(i = i, is_ended = is_ended, done = i != 2L)
  found <- until_interrupted(1:4, fit_group)
  expect_identical(
    vapply(found, `[[`, NA, "is_ended"),
    c(FALSE, FALSE, TRUE, TRUE)
  )
})

test_that("without an interrupt there is no such fit", {
  skip_if_not(is.null(interrupted$fit))
  expect_snapshot(writeLines(error_lines(last_rlmm())))
})

test_that("max_time returns the best so far, marked", {
  short <- rlmm_control(max_time = 1e-9)
  expect_warning(
    fit <- rlmm(
      Reaction ~ Days + (Days | Subject),
      sleepstudy,
      control = short
    ),
    "max_time",
    class = "rlmm_warning_convergence"
  )
  expect_identical(fit$optsum$status, "MAXTIME_REACHED")
  expect_match(paste(format(fit), collapse = " "), "it reached `max_time`")
  suppressWarnings({
    counts <- rglmm(
      TICKS ~ YEAR + (1 | BROOD),
      grouseticks,
      family = poisson,
      control = short
    )
  })
  expect_identical(counts$optsum$status, "MAXTIME_REACHED")
  expect_true(is.finite(counts$dev$objective))
})
