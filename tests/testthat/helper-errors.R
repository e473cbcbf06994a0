# Class and text of an error, for snapshots: testthat's own way to show an error differs between its
# versions.
error_lines <- function(expr) {
  cnd <- tryCatch(expr, error = identity)
  c(class(cnd)[1], conditionMessage(cnd))
}

# The first condition of an expression, of any kind, likewise.
condition_lines <- function(expr) {
  cnd <- rlang::catch_cnd(expr)
  c(class(cnd)[1], conditionMessage(cnd))
}

# Classes and texts of the errors, warnings and messages of an expression, for snapshots.
show_conditions <- function(expr) {
  show <- function(cnd) {
    lines <- conditionMessage(cnd)
    writeLines(c(paste0("<", class(cnd)[1L], ">"), lines, ""))
  }
  withCallingHandlers(
    tryCatch(expr, rlmm_error = show),
    rlmm_message = function(cnd) {
      show(cnd)
      tryInvokeRestart("muffleMessage")
    },
    rlmm_warning = function(cnd) {
      show(cnd)
      tryInvokeRestart("muffleWarning")
    }
  )
  invisible()
}

local_plain <- function(frame = parent.frame()) {
  withr::local_options(cli.unicode = FALSE, .local_envir = frame)
}
