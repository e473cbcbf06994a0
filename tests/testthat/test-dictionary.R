# The dictionary names every function of the packages that a reader comes from.
dictionary <- function() {
  file <- test_path("..", "..", "vignettes", "dictionary.Rmd")
  skip_if_not(file.exists(file), "the package's sources are not here")
  text <- paste(readLines(file, encoding = "UTF-8"), collapse = "\n")
  unique(unlist(strsplit(text, "[^[:alnum:]_.]+")))
}

expect_all_named <- function(package) {
  skip_if_not_installed(package)
  exports <- getNamespaceExports(package)
  functions <- exports[!grepl("<-$|^[.]__", exports)]
  expect_identical(sort(setdiff(functions, dictionary())), character())
}

test_that("every function of lme4 has an entry", {
  expect_all_named("lme4")
})

test_that("every function of lmerTest has an entry", {
  expect_all_named("lmerTest")
})
