"""Results as tables that a notebook shows and pandas reads."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any


class Records(list[dict[str, Any]]):
    """Rows of figures: a list of dictionaries, a table where it is printed or shown.

    Args:
        rows: One dictionary for each row; they need not have the same keys.

    Examples:
        >>> rows = Records([{"trial": 0, "quality": 0.5}, {"trial": 3, "quality": 0.75}])
        >>> rows.column("quality")
        [0.5, 0.75]
        >>> len(rows.columns)
        2
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        super().__init__(dict(row) for row in rows)

    @property
    def columns(self) -> list[str]:
        """Every key, in the order of their first rows."""
        return list(dict.fromkeys(key for row in self for key in row))

    def column(self, key: str) -> list[Any]:
        """The values of a column; None where a row lacks it."""
        return [row.get(key) for row in self]

    def to_pandas(self) -> Any:
        """The same as a ``pandas.DataFrame``.

        Raises:
            UserError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            from nas.errors import UserError

            raise UserError("pandas is not installed; pip install pandas.") from error
        return pandas.DataFrame(list(self), columns=self.columns)

    def __str__(self) -> str:
        from nas.terminal import plain_console

        text = io.StringIO()
        plain_console(file=text, width=120, force_jupyter=False).print(self._table())
        return text.getvalue().rstrip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(key)}</th>" for key in self.columns)
        rows = "".join(
            "<tr>"
            + "".join(f"<td>{escape(_told(row.get(k)))}</td>" for k in self.columns)
            + "</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _table(self) -> Any:
        from rich.table import Table

        table = Table()
        for key in self.columns:
            table.add_column(key, overflow="fold")
        for row in self:
            table.add_row(*(_told(row.get(key)) for key in self.columns))
        return table


def _told(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
