"""Errors of datasets: what is wrong with which file, line and column, and what to do about it."""

from __future__ import annotations

from tholos.kit.errors import Conflict, InvalidInput, NotFound, PayloadTooLarge, Unavailable, Unprocessable


class NotData(Unprocessable):
    """The revision holds no data that can be read as one table."""

    code = "not_data"


class NoDataFiles(NotData):
    """The revision holds no data files at all."""

    code = "no_data_files"


class UnsupportedFile(Unprocessable):
    """A file of the dataset is in no format that Tholos reads."""

    code = "unsupported_file"


class MixedFormats(Unprocessable):
    """The dataset mixes files of different formats."""

    code = "mixed_formats"


class MixedColumns(Unprocessable):
    """The files of the dataset do not have the same columns."""

    code = "mixed_columns"


class BrokenText(Unprocessable):
    """A text file is in no encoding that Tholos reads."""

    code = "broken_text"


class BrokenFile(Unprocessable):
    """A data file is damaged or is not what its name says."""

    code = "broken_file"


class RaggedRow(Unprocessable):
    """A row has more or fewer fields than the header."""

    code = "ragged_row"


class BadHeader(Unprocessable):
    """The column names cannot be used."""

    code = "bad_header"


class MixedTypes(Unprocessable):
    """A field holds values of different types in different rows."""

    code = "mixed_types"


class UnsupportedType(Unprocessable):
    """A column has a type that Tholos does not take."""

    code = "unsupported_type"


class NoRows(Unprocessable):
    """The data has no rows."""

    code = "no_rows"


class CorruptImages(Unprocessable):
    """Some files of an image folder are no readable images."""

    code = "corrupt_images"


class DataTooLarge(PayloadTooLarge):
    """The data unpacks to more than the limit."""

    code = "data_too_large"


class BadCard(Unprocessable):
    """The card's settings for reading the data are not valid."""

    code = "bad_card"


class ColumnNotFound(InvalidInput):
    """The data has no such column."""

    code = "column_not_found"


class BadSplit(InvalidInput):
    """The split asked for is not valid."""

    code = "bad_split"


class CannotSplit(Unprocessable):
    """This data cannot be split that way."""

    code = "cannot_split"


class SplitNotFound(NotFound):
    """The dataset has no such split."""

    code = "split_not_found"


class SplitOutOfDate(Conflict):
    """The data has changed since it was split."""

    code = "split_out_of_date"


class SourceNotFound(NotFound):
    """No installed package carries such a data set."""

    code = "source_not_found"


class SamplesNotInstalled(Unavailable):
    """The package that carries this data set is not installed."""

    code = "samples_not_installed"
    retry_after_s = None


class Unreadable(Unprocessable):
    """The data of this revision cannot be read."""

    code = "unreadable"


class DatasetNotEmpty(Conflict):
    """The dataset holds other data already."""

    code = "dataset_not_empty"


class ProfilePending(Conflict):
    """The data of this revision has not been read yet."""

    code = "profile_pending"
