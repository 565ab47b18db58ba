from helpers.report.cli import command

if __name__ == "__main__":
    command(prog_name="build_report.sh")
