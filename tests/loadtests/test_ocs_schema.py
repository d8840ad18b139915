"""The statements that make OCS's tables."""

from __future__ import annotations

from loadtests.ocs_schema import SOFTWARE, SOFTWARE_NAME, TABLES


def test_a_table_and_its_indexes() -> None:
    options = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3"
    columns = "ID int NOT NULL AUTO_INCREMENT, NAME varchar(255) NOT NULL"
    assert SOFTWARE_NAME.create() == f"CREATE TABLE software_name ({columns}, PRIMARY KEY (ID)) {options}"
    assert SOFTWARE_NAME.index() == "ALTER TABLE software_name ADD UNIQUE KEY `NAME` (NAME)"
    assert "ADD KEY `HARDWARE_ID, NAME_ID, VERSION_ID` (HARDWARE_ID, NAME_ID, VERSION_ID)" in SOFTWARE.index()


def test_indexes_are_of_columns_that_are_there() -> None:
    for table in TABLES.values():
        assert table.keys, table.name
        assert {column for key in table.keys for column in key.split(", ")} <= set(table.columns)
