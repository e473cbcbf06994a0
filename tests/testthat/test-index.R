# What is exported is found: in the index by task, `?rlmm-package`, and on the site.

# The names that the sources export, or none where the tests run without them.
exported <- function() {
  namespace <- test_path("../../NAMESPACE")
  skip_if_not(file.exists(namespace), "needs the sources of the package")
  lines <- readLines(namespace)
  sub("^export[(](.*)[)]$", "\\1", grep("^export[(]", lines, value = TRUE))
}

test_that("?rlmm-package names every export", {
  names <- exported()
  page <- readLines(test_path("../../R/rlmm-package.R"))
  words <- unlist(strsplit(page, "[^[:alnum:]_.]+"))
  expect_identical(setdiff(names, words), character())
})

test_that("the site lists every help page", {
  skip_if_not(length(exported()) > 0L)
  site <- readLines(test_path("../../_pkgdown.yml"))
  words <- unlist(strsplit(site, "[^[:alnum:]_.-]+"))
  pages <- Sys.glob(test_path("../../man/*.Rd"))
  is_listed <- vapply(
    pages,
    \(page) {
      lines <- readLines(page)
      is_internal <- any(grepl("\\keyword{internal}", lines, fixed = TRUE))
      aliases <- sub(
        "^[\\]alias[{](.*)[}]$",
        "\\1",
        grep("^[\\]alias", lines, value = TRUE)
      )
      is_internal || any(aliases %in% words)
    },
    NA
  )
  expect_identical(basename(pages[!is_listed]), character())
})
