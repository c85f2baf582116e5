from django.db import migrations, models


def touch(apps, schema_editor):
    apps.get_model("shop", "Reading").objects.filter(note="").update(note="none")


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_articles")]
    operations = [
        migrations.AddField("reading", "comment", models.CharField(default="none", max_length=20)),
        migrations.RenameField("reading", "comment", "note"),
        migrations.AlterField("reading", "note", models.TextField(default="none")),
        migrations.RunPython(touch, migrations.RunPython.noop),
        migrations.AddIndex("reading", models.Index(fields=["name", "-at"], name="reading_name_at")),
        migrations.AddConstraint("reading", models.CheckConstraint(condition=models.Q(id__gte=0), name="reading_id_positive")),
    ]
