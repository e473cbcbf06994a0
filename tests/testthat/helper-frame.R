# Made-up data with every kind of variable that a formula may meet, and a way to show conditions.

frame_data <- function(n = 120) {
  withr::local_seed(1)
  data.frame(
    y = rnorm(n),
    x = rnorm(n),
    z = rnorm(n),
    w = runif(n, 0.5, 2),
    a = gl(3, n / 3, n),
    b = gl(4, n / 12, n),
    c = gl(5, 2, n),
    f = gl(3, 1, n),
    h = gl(3, n / 3, n),
    ch = sample(letters[1:4], n, TRUE),
    lg = rep(c(TRUE, FALSE), n / 2),
    int = sample(5:9, n, TRUE),
    ord = factor(rep(1:3, n / 3), ordered = TRUE),
    un = factor(sample(letters[1:3], n, TRUE), levels = letters),
    date = as.Date("2020-01-01") + sample(4, n, TRUE),
    id = factor(seq_len(n)),
    one = "k",
    `my g` = gl(4, n / 12, n),
    check.names = FALSE
  )
}

# The class and the text of an error, for snapshots.
show_error <- function(expr) {
  cnd <- tryCatch(
    {
      force(expr)
      NULL
    },
    error = identity
  )
  testthat::expect_s3_class(cnd, "rlmm_error")
  writeLines(c(paste0("<", class(cnd)[1L], ">"), rlang::cnd_message(cnd), ""))
}
