# Readers of data in chunks: from functions, record batches, tables and queries.

# The number of rows that are fetched at once.
fetch_size <- 100000L

# The number of rows that are read first, for the types of columns and their approximate means.
n_sampled_rows <- 1000L

#' A function that reads data of any form in chunks
#' @noRd
as_reader <- function(data) {
  if (is.function(data)) {
    return(watched_reader(data))
  }
  if (is_batch_reader(data)) {
    return(batch_reader(data))
  }
  check_chunk(data)
  # A data frame is a single chunk, which is returned after each reset.
  at <- new.env(parent = emptyenv())
  function(reset) {
    is_next <- !reset && isTRUE(at$start)
    at$start <- reset
    if (is_next) data
  }
}

#' Wraps a user's reader with checks
#'
#' Rows that it returns on a reset would be lost, and are an error. A message is given if it returns
#' the same rows again and again, as it may never end.
#' @noRd
watched_reader <- function(reader, most = 100L) {
  at <- new.env(parent = emptyenv())
  at$repeats <- 0L
  function(reset) {
    chunk <- reader(reset)
    if (reset) {
      check_no_rows(chunk)
    } else {
      is_same <- identical(chunk, at$last) && NROW(chunk) > 1L
      at$repeats <- if (is_same) at$repeats + 1L else 0L
      at$last <- chunk
      if (at$repeats == most) {
        inform_repeats(most)
      }
    }
    chunk
  }
}

check_no_rows <- function(chunk) {
  has_rows <- length(dim(chunk)) == 2L && nrow(chunk) > 0L
  if (has_rows) {
    abort_argument(
      "`data(TRUE)` must start anew, and return no rows: they would be left out.",
      x = sprintf("It returned %s.", plural(nrow(chunk), "row")),
      i = "`data(FALSE)` returns the next rows, from the first on, and at the end `NULL`.",
      arg = "data"
    )
  }
}

inform_repeats <- function(most) {
  inform_rlmm(
    c(
      "Does the function given as `data` come to an end?",
      x = sprintf(
        "It has returned the same rows %d times, one after the other.",
        most
      ),
      i = "It is called with `TRUE` to start anew, with `FALSE` for the next rows.",
      i = "It returns `NULL` where there are no more."
    ),
    "rlmm_message_endless"
  )
}

# A stream of record batches can only be read once: batches are kept for going back, until
# [stop_rewinding()] is called.
batch_reader <- function(batches) {
  at <- new.env(parent = emptyenv())
  at$kept <- list()
  at$place <- 0L
  at$goes_back <- TRUE
  structure(
    function(reset) {
      if (reset) {
        at$place <- 0L
      } else {
        batch <- next_batch(at, batches)
        if (!is.null(batch)) as.data.frame(batch)
      }
    },
    class = "rlmm_batch_reader",
    state = at
  )
}

next_batch <- function(at, batches) {
  at$place <- at$place + 1L
  if (at$place > length(at$kept)) {
    at$kept[at$place] <- list(batches$read_next_batch())
  }
  batch <- at$kept[[at$place]]
  if (!at$goes_back) {
    at$kept[at$place] <- list(NULL)
  }
  batch
}

#' Declares that a reader will not be reset again
#' @noRd
stop_rewinding <- function(reader) {
  state <- attr(reader, "state")
  if (!is.null(state)) {
    state$goes_back <- FALSE
  }
}

abort_empty_reader <- function(reader) {
  hint <- if (inherits(reader, "rlmm_batch_reader")) {
    c(i = "A reader of record batches can be read once: is it used up?")
  }
  abort_rlmm(
    c("`data` must have at least one row.", hint),
    "rlmm_error_no_rows"
  )
}

check_chunk <- function(chunk) {
  if (is.data.frame(chunk)) {
    return(invisible(chunk))
  }
  abort_argument(
    "`data` must be a data frame, a table, or a function that reads data frames.",
    x = it_is(chunk),
    arg = "data"
  )
}

next_chunk <- function(reader) {
  chunk <- reader(FALSE)
  while (is.data.frame(chunk) && nrow(chunk) == 0L) {
    chunk <- reader(FALSE)
  }
  if (!is.null(chunk)) check_chunk(chunk)
}

# Tables ------------------------------------------------------------------------

#' Applies a function to the chunks of a table and joins the results
#' @param table Data for which [is_summed_up()] holds.
#' @param names The columns of the table that are needed; `.` for all of them.
#' @param one A function of a data frame, whose rows are numbered consecutively over all chunks.
#' @noRd
by_chunk <- function(table, names, one) {
  at <- new.env(parent = emptyenv())
  at$found <- list()
  at$rows <- 0L
  for_each_chunk(table, names, \(chunk) {
    attr(chunk, "row.names") <- at$rows + seq_len(nrow(chunk))
    at$rows <- at$rows + nrow(chunk)
    at$found <- c(at$found, list(one(chunk)))
  })
  if (at$rows == 0L) {
    abort_no_new_rows()
  }
  join_chunks(at$found)
}

abort_no_new_rows <- function() {
  abort_rlmm(
    "`newdata` must have at least one row.",
    c("rlmm_error_newdata", "rlmm_error_no_rows")
  )
}

# Joins vectors, matrices with a row for each row of data, and lists of them.
join_chunks <- function(found) {
  first <- found[[1L]]
  if (is.list(first)) {
    names <- rlang::set_names(names(first))
    join <- \(name) join_chunks(lapply(found, `[[`, name))
    return(lapply(names, join))
  }
  do.call(if (is.matrix(first)) rbind else c, found)
}

#' Calls a function with each chunk of a table
#' @noRd
for_each_chunk <- function(table, names, body) {
  if (!is_lazy_table(table)) {
    for_each_of_reader(as_reader(table), body)
    return(invisible())
  }
  check_table_packages(table)
  table <- ungrouped(table)
  wanted <- lapply(requested_columns(names, names_of_table(table)), as.name)
  if (length(wanted) > 0L) {
    table <- dplyr::select(table, !!!wanted)
  }
  if (is_arrow(table)) {
    batches <- getExportedValue("arrow", "as_record_batch_reader")(table)
    for_each_of_reader(batch_reader(batches), body)
  } else {
    for_each_of_query(table, body)
  }
}

for_each_of_reader <- function(reader, body) {
  reader(TRUE)
  stop_rewinding(reader)
  while (!is.null(chunk <- next_chunk(reader))) {
    body(as.data.frame(chunk))
  }
}

for_each_of_query <- function(table, body) {
  sent <- tryCatch(
    DBI::dbSendQuery(dbplyr::remote_con(table), dbplyr::sql_render(table)),
    error = abort_unreadable
  )
  on.exit(DBI::dbClearResult(sent))
  fetch <- \() {
    tryCatch(DBI::dbFetch(sent, n = fetch_size), error = abort_unreadable)
  }
  while (nrow(chunk <- fetch()) > 0L) {
    chunk[] <- lapply(chunk, without_long_integers)
    body(chunk)
  }
}
