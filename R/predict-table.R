# Predictions and residuals for rows that aren't in R's memory: of tables, Arrow's data sets and
# readers, a chunk after the other.

# Rows that are fetched at once.
rows_fetched <- 100000L

#' What a function of data frames returns for the rows of a table, together
#' @param table Data for which [is_summed_up()] holds.
#' @param names Columns of the table that are wanted; `.` for all.
#' @param one A function of a data frame, whose rows are numbered on from chunk to chunk.
#' @noRd
by_chunk <- function(table, names, one) {
  found <- list()
  done <- 0L
  each_chunk(table, names, \(chunk) {
    attr(chunk, "row.names") <- done + seq_len(nrow(chunk))
    done <<- done + nrow(chunk)
    found[[length(found) + 1L]] <<- one(chunk)
  })
  if (length(found) == 0L) {
    abort_newdata("`newdata` must have at least one row.")
  }
  join_chunks(found)
}

# Vectors and matrices of one value, or row, per row; and lists of them.
join_chunks <- function(found) {
  first <- found[[1L]]
  if (is.list(first)) {
    names <- rlang::set_names(names(first))
    return(lapply(names, \(name) join_chunks(lapply(found, `[[`, name))))
  }
  do.call(if (is.matrix(first)) rbind else c, found)
}

#' Hands the rows of a table on, some at a time
#' @noRd
each_chunk <- function(table, names, body) {
  if (!is_lazy_table(table)) {
    each_of_reader(as_reader(table), body)
    return(invisible())
  }
  check_table_packages(table)
  table <- dplyr::ungroup(table)
  wanted <- lapply(asked_columns(names, names_of_table(table)), as.name)
  if (length(wanted) > 0L) {
    table <- dplyr::select(table, !!!wanted)
  }
  if (is_arrow(table)) {
    batches <- getExportedValue("arrow", "as_record_batch_reader")(table)
    each_of_reader(batch_reader(batches), body)
  } else {
    each_of_query(table, body)
  }
}

each_of_reader <- function(reader, body) {
  reader(TRUE)
  read_on(reader)
  while (!is.null(chunk <- next_chunk(reader))) {
    body(as.data.frame(chunk))
  }
}

each_of_query <- function(table, body) {
  sent <- tryCatch(
    DBI::dbSendQuery(dbplyr::remote_con(table), dbplyr::sql_render(table)),
    error = abort_unreadable
  )
  on.exit(DBI::dbClearResult(sent))
  fetch <- \() {
    tryCatch(DBI::dbFetch(sent, n = rows_fetched), error = abort_unreadable)
  }
  while (nrow(chunk <- fetch()) > 0L) {
    body(as_frame(lapply(chunk, without_long_integers), c(NA, -nrow(chunk))))
  }
}

#' The predictions of a call for the rows of a table
#' @param call The call of predict(), which is evaluated anew for each chunk.
#' @noRd
predict_table <- function(fit, table, call, caller) {
  call[[1L]] <- predict.rlmm
  call$object <- fit
  by_chunk(table, variables_of_fit(fit), \(rows) {
    call$newdata <- rows
    eval(call, caller)
  })
}

# The names of what is evaluated in new data.
variables_of_fit <- function(fit) {
  arguments <- lapply(c("weights", "offset"), \(name) {
    fit$call[[name]] %||% fit$sums$arguments[[name]]
  })
  exprs <- c(list(stats::formula(fit)), arguments)
  unique(unlist(lapply(exprs, all.vars)))
}

# Residuals -----------------------------------------------------------------------

#' Residuals of a linear model for rows that the fit doesn't hold
#' @noRd
residuals_of_rows <- function(fit, newdata, type, scaled) {
  check_new_residuals(fit, type)
  one <- \(rows) new_residuals(fit, rows, type, scaled)
  if (is_summed_up(newdata)) {
    by_chunk(newdata, variables_of_fit(fit), one)
  } else {
    one(newdata)
  }
}

check_new_residuals <- function(fit, type) {
  if (!isLMM.rlmm(fit)) {
    abort_glmm(
      "Residuals of new data",
      "`predict()` takes `newdata`.",
      "aren't"
    )
  }
  if (type %in% c("quantile", "dunn-smyth")) {
    abort_argument(
      "Residuals of `newdata` are \"response\", \"pearson\" or \"scaled\" ones.",
      x = it_is(type),
      arg = "type"
    )
  }
}

new_residuals <- function(fit, rows, type, scaled) {
  mean <- predict.rlmm(fit, rows)
  new <- new_data(fit, rows)
  response <- stats::formula(fit)[[2L]]
  y <- eval_variables(call("list", response), new, environment(fit$formula))
  r <- as.vector(y[[1L]]) - mean
  weights <- new_argument(fit, "weights", new)
  if (!is.null(weights) && !type %in% c("response", "working")) {
    r <- sqrt(weights) * r
  }
  if (scaled || type == "scaled") r / fit$sigma else r
}
