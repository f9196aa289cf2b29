"""`python -m mailcore --version`: which library is used, and what it was built with."""

import argparse

import mailcore


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mailcore", description="libmailcore, an embeddable mail engine")
    parser.add_argument("--version", action="store_true", help="versions, and which library is used (the default)")
    parser.add_argument("--properties", action="store_true", help="everything that can be set, as a table")
    if parser.parse_args().properties:
        for row in mailcore.properties():
            print(f"{row.name:45} {row.initial:12} {row.doc}")
        return
    print(f"mailcore {mailcore.__version__}; {mailcore.build_info()}; {mailcore.library_path}")


if __name__ == "__main__":
    main()
